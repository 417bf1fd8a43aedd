"""Records put into a Kinesis stream, within the limits of the service."""

import random
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import boto3
from botocore.exceptions import ClientError

from clickstream import errors

if TYPE_CHECKING:  # a function that puts records has no Spark
    from pyspark.sql import DataFrame

# https://docs.aws.amazon.com/kinesis/latest/APIReference/API_PutRecords.html: what every stream takes
MAX_RECORDS = 500
MAX_BYTES = 5 * 2**20
MAX_RECORD_BYTES = 2**20  # with its key

ATTEMPTS = 10
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 5.0  # seconds between attempts

Record = dict[str, Any]
"""Data and PartitionKey, as PutRecords takes them."""


def put(kinesis: Any, stream: str, records: Iterable[Record]) -> None:
    """Put all records."""
    for call in calls(records):
        put_call(kinesis, stream, call)


def put_call(kinesis: Any, stream: str, records: Sequence[Record]) -> None:
    """Put the records of one call, and those that it leaves out again after a pause; their order may change by that."""
    left = records
    for attempt in range(ATTEMPTS):
        answers = _put_records(kinesis, stream, left)
        rejected = [answer["ErrorCode"] for answer in answers if "ErrorCode" in answer]
        left = [record for record, answer in zip(left, answers, strict=True) if "ErrorCode" in answer]
        if not left:
            return
        time.sleep(random.uniform(0, min(LONGEST_PAUSE, FIRST_PAUSE * 2**attempt)))  # noqa: S311  # jitter
    raise errors.PutError(
        f"stream {stream} rejected {len(left)} records {ATTEMPTS} times, the last with {rejected[-1]}"
    )


def next_version(last: int) -> int:
    """Return a version above the last one, whatever the clock does: the time in Unix ms where that is higher."""
    return max(last + 1, time.time_ns() // 1_000_000)


def put_rows(rows: "DataFrame", stream: str, key: str, version: int, endpoint_url: str = "") -> None:
    """Put each row as a JSON object, with a version that no batch before has had; ``key`` parts them."""
    client = boto3.client("kinesis", endpoint_url=endpoint_url or None)
    versioned = rows.selectExpr("*", f"{version}BD as version")  # a long would have each batch compiled anew
    texts = versioned.selectExpr(f"{key} as key", "to_json(struct(*)) as text").collect()  # a batch is bounded
    put(client, stream, ({"Data": row.text.encode(), "PartitionKey": row.key[:256]} for row in texts))


def calls(records: Iterable[Record]) -> Iterator[list[Record]]:
    """Cut into what one call may hold."""
    call: list[Record] = []
    size = 0
    for record in records:
        record_size = len(record["Data"]) + len(record["PartitionKey"].encode())
        if record_size > MAX_RECORD_BYTES:
            raise errors.PutError(
                f"a record has {record_size:,} bytes with its key; Kinesis takes {MAX_RECORD_BYTES:,}"
            )
        if len(call) == MAX_RECORDS or size + record_size > MAX_BYTES:
            yield call
            call, size = [], 0
        call.append(record)
        size += record_size
    if call:
        yield call


def _put_records(kinesis: Any, stream: str, records: Sequence[Record]) -> list[dict[str, str]]:
    try:
        answers: list[dict[str, str]] = kinesis.put_records(StreamName=stream, Records=records)["Records"]
    except ClientError as error:
        if error.response["Error"]["Code"] != "ResourceNotFoundException":
            raise
        raise errors.PutError(f"stream {stream} does not exist") from error
    return answers
