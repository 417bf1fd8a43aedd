"""AWS on this machine: moto's server with a faithful Kinesis. ``docs/local-aws.md`` says what it is not."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException
from pathlib import Path

import boto3  # type: ignore[import-untyped]

from deploy.settings import Settings

ROOT = Path(__file__).parent.parent
STAGE = "dev"
REGION = "us-east-1"
START_SECONDS = 60


@contextmanager
def running(port: int = 0) -> Iterator[str]:
    """Run the server as a process that ends with this one; give its endpoint once it answers. Port 0: any free one."""
    with socket.create_server(("127.0.0.1", port)) as listening:
        port = listening.getsockname()[1]
        descriptor = listening.fileno()
        server = subprocess.Popen(  # noqa: S603  # ourselves
            [sys.executable, "-m", "local.aws.server", str(descriptor), str(port)],
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


def environment(endpoint: str) -> dict[str, str]:
    """Return the variables by which an AWS SDK finds the server."""
    return {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": "local",
        "AWS_SECRET_ACCESS_KEY": "local",
        "AWS_DEFAULT_REGION": REGION,  # boto3 and the command line
        "AWS_REGION": REGION,  # the others
    }


def session() -> boto3.Session:
    """Return a session with the credentials of :func:`environment`."""
    return boto3.Session(aws_access_key_id="local", aws_secret_access_key="local", region_name=REGION)  # noqa: S106


def create(endpoint: str, stage: Settings) -> None:
    """Make the stage's streams, buckets and tables of DynamoDB."""
    kinesis = session().client("kinesis", endpoint_url=endpoint)
    for name, stream in stage.streams.items():
        kinesis.create_stream(StreamName=name, ShardCount=stream.shards)
    s3 = session().client("s3", endpoint_url=endpoint)
    for name in stage.buckets:
        s3.create_bucket(Bucket=name)
    dynamodb = session().client("dynamodb", endpoint_url=endpoint)
    for name, table in stage.dynamodb.items():
        dynamodb.create_table(
            TableName=name,
            AttributeDefinitions=[{"AttributeName": key["name"], "AttributeType": key["type"]} for key in table.key],
            KeySchema=[
                {"AttributeName": key["name"], "KeyType": role}
                for key, role in zip(table.key, ("HASH", "RANGE"), strict=False)  # the second is optional
            ],
            BillingMode="PAY_PER_REQUEST",
        )
        dynamodb.update_time_to_live(
            TableName=name, TimeToLiveSpecification={"Enabled": True, "AttributeName": table.expires}
        )


def stay(port: int) -> int:
    """Run the server with what the stage names, until interrupted or left by the parent; return the exit status."""
    parent = os.getppid()
    stage = Settings.read(STAGE)
    try:
        with running(port) as endpoint:
            create(endpoint, stage)
            print(f"# AWS on this machine, with what the stage {STAGE} consists of: {endpoint}")
            print("\n".join(f"export {name}={value}" for name, value in environment(endpoint).items()), flush=True)
            while os.getppid() == parent:
                time.sleep(1)
            print("aws: what started it has ended, and so does it", file=sys.stderr)
    except KeyboardInterrupt:
        pass
    except OSError as error:
        print(f"aws: port {port}: {os.strerror(error.errno or 0).lower()}; choose another by --port", file=sys.stderr)
        return 1
    return 0


def _wait_for_answer(port: int) -> None:
    """Ask once: the socket has been listening all along, so the answer comes as soon as there is a server."""
    asking = HTTPConnection("127.0.0.1", port, timeout=START_SECONDS)
    try:
        asking.request("GET", "/moto-api/")
        asking.getresponse()
    except (OSError, HTTPException) as error:
        raise RuntimeError("the local AWS did not start; its own words are on standard error") from error
    finally:
        asking.close()
