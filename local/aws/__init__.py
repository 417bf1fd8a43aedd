"""AWS on this machine: moto's server with a faithful Kinesis. ``docs/local-aws.md`` lists how it differs from AWS."""

import logging
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

import boto3

from deploy import ddl
from deploy.account import DATABASE
from deploy.settings import Settings

ROOT = Path(__file__).parents[2]
STAGE = "dev"
REGION = "us-east-1"
START_SECONDS = 60

logger = logging.getLogger(__name__)


@contextmanager
def running(port: int = 0, record_to: Path | None = None) -> Iterator[str]:
    """Run the server as a process that ends with this one; yield its endpoint once it answers.

    Port 0 takes any free port. Requests are recorded in a file, a line of JSON each, if one is named.
    """
    with socket.create_server(("127.0.0.1", port)) as listening:
        port = listening.getsockname()[1]
        descriptor = listening.fileno()
        server = subprocess.Popen(  # noqa: S603  # ourselves
            [sys.executable, "-m", "local.aws.server", str(descriptor), str(port), str(record_to or "")],
            cwd=ROOT,
            stdin=subprocess.PIPE,  # ends when this process does, even by kill -9
            pass_fds=[descriptor],
            start_new_session=True,  # Ctrl-C is ours to answer
        )
    with server:
        try:
            _wait_for_answer(port)
            yield f"http://127.0.0.1:{port}"
        finally:
            server.kill()


def environment(endpoint: str, role: str = "local") -> dict[str, str]:
    """Return the variables by which an AWS SDK finds the server, and by which its requests name a role."""
    return {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": role.rpartition("/")[2],
        "AWS_SECRET_ACCESS_KEY": "local",
        "AWS_DEFAULT_REGION": REGION,  # boto3 and the command line
        "AWS_REGION": REGION,  # the others
    }


def session() -> boto3.Session:
    """Return a session with the credentials of :func:`environment`."""
    return boto3.Session(aws_access_key_id="local", aws_secret_access_key="local", region_name=REGION)  # noqa: S106


def create(endpoint: str, stage: Settings) -> None:
    """Create the stage's streams, buckets and tables of DynamoDB, and in the lake the tables of ``ddl``."""
    kinesis = session().client("kinesis", endpoint_url=endpoint)
    for name, stream in stage.streams.items():
        kinesis.create_stream(StreamName=name, ShardCount=stream.shards)
    s3 = session().client("s3", endpoint_url=endpoint)
    for name in stage.buckets:
        s3.create_bucket(Bucket=name)
    session().client("glue", endpoint_url=endpoint).create_database(DatabaseInput={"Name": DATABASE})
    athena = session().client("athena", endpoint_url=endpoint)
    for text in ddl.texts("s3://lake"):
        athena.start_query_execution(QueryString=text, QueryExecutionContext={"Database": DATABASE})
    dynamodb = session().client("dynamodb", endpoint_url=endpoint)
    for name, table in stage.dynamodb.items():
        schema: Any = [
            {"AttributeName": key["name"], "KeyType": role}
            for key, role in zip(table.key, ("HASH", "RANGE"), strict=False)  # the second is optional
        ]
        attributes: Any = [{"AttributeName": key["name"], "AttributeType": key["type"]} for key in table.key]
        dynamodb.create_table(
            TableName=name, AttributeDefinitions=attributes, KeySchema=schema, BillingMode="PAY_PER_REQUEST"
        )
        dynamodb.update_time_to_live(
            TableName=name, TimeToLiveSpecification={"Enabled": True, "AttributeName": table.expires}
        )


def serve(port: int) -> int:
    """Run the server with the stage's resources until Ctrl-C or the end of the parent; return the exit status."""
    parent = os.getppid()
    stage = Settings.read(STAGE)
    try:
        with running(port) as endpoint:
            create(endpoint, stage)
            print(f"# AWS on this machine, with the resources of the stage {STAGE}: {endpoint}")
            print("\n".join(f"export {name}={value}" for name, value in environment(endpoint).items()), flush=True)
            while os.getppid() == parent:
                time.sleep(1)
            logger.warning("aws: the process that started it has ended, so it ends, too")
    except KeyboardInterrupt:
        pass
    except OSError as error:
        print(f"aws: port {port}: {os.strerror(error.errno or 0).lower()}; choose another by --port", file=sys.stderr)
        return 1
    return 0


def _wait_for_answer(port: int) -> None:
    """Request once: the socket is listening already, so the response comes as soon as the server runs."""
    connection = HTTPConnection("127.0.0.1", port, timeout=START_SECONDS)
    try:
        connection.request("GET", "/moto-api/")
        connection.getresponse()
    except (OSError, HTTPException) as error:
        raise RuntimeError("the local AWS did not start; its error is on standard error") from error
    finally:
        connection.close()
