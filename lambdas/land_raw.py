"""Kinesis -> the raw archive: the records of any stream, as they were sent.

Reads   a batch of a shard's records, as Lambda hands it over; ``RAW_PATH``, such as s3://lake/raw
Writes  RAW_PATH/<stream>/arrived=YYYY-MM-DD/HH/<shard>-<first>-<last>.json.gz
Retry   safe: a record is written under the same name again

Lambda retries from the lowest sequence number reported, whatever of it was archived. So that a retry overwrites the
same objects, each object holds the records between two failures that arrived in one hour, and is named by the first and
the last of them. If Lambda ever split the batch differently, the archive would hold lines twice, which the jobs count
as duplicates.

A record is ``archived``, whatever it is, ``unreadable`` (not base64; reported), ``failed`` (S3 did not take its object)
or ``out_of_time`` (not tried: a put that nothing answers might have outlasted the function). Of an object that was not
written the first record is reported. The jobs judge the records.
"""

import gzip
import json
import os
from base64 import b64decode
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from lambdas import archive_lines
from lambdas.limits import CallLimits, Context
from lambdas.streams import stream_of

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

GZIP_LEVEL = 6
HOUR = 3600
PUT = CallLimits(connect_seconds=1, read_seconds=5, attempts=3)


@dataclass
class ArchiveObject:
    """Consecutive records of a shard and an hour, archived as one object."""

    shard: str
    hour: str  # of their arrival, as its folders are called
    first: str
    last: str = ""
    lines: list[bytes] = field(default_factory=list)  # one of each record

    @property
    def name(self) -> str:
        """The key below the stream's folder: the same on every retry, and of no other object."""
        return f"{self.hour}/{self.shard}-{self.first}-{self.last}.json.gz"


def handler(event: dict[str, Any], context: Context) -> dict[str, Any]:
    """Archive a batch, as Lambda's event source mapping calls it."""
    records = event["Records"]
    path = f"{os.environ['RAW_PATH'].rstrip('/')}/{stream_of(records[0]['eventSourceARN'])}"
    return archive(records, path, _s3(), lambda: PUT.fit(context))


def archive(
    records: list[dict[str, Any]], path: str, s3: "S3Client", has_time: Callable[[], bool] = lambda: True
) -> dict[str, Any]:
    """Write the records; return the records to retry, as ReportBatchItemFailures has it.

    ``has_time`` says whether a put that begins now would end in time.
    """
    bucket, _, prefix = path.removeprefix("s3://").partition("/")
    counts = Counter(records=len(records))
    failures: list[str] = []
    for chunk in objects(records, counts, failures):
        if not has_time():
            counts["out_of_time"] += len(chunk.lines)
            failures.append(chunk.first)
            continue
        body = gzip.compress(b"\n".join([*chunk.lines, b""]), GZIP_LEVEL, mtime=0)  # the same lines: the same bytes
        try:
            s3.put_object(Bucket=bucket, Key=f"{prefix}/{chunk.name}", Body=body)
        except (BotoCoreError, ClientError) as error:
            print(json.dumps({"function": "land_raw", "object": chunk.name, "error": str(error)}))
            counts["failed"] += len(chunk.lines)
            failures.append(chunk.first)
        else:
            counts.update(archived=len(chunk.lines), objects=1)
    print(json.dumps({"function": "land_raw", **counts}))
    return {"batchItemFailures": [{"itemIdentifier": sequence_number} for sequence_number in failures]}


def objects(records: Iterable[dict[str, Any]], counts: Counter[str], failures: list[str]) -> Iterator[ArchiveObject]:
    """Group the records into objects; add what is in none to ``counts`` and ``failures``."""
    chunk: ArchiveObject | None = None
    for record in records:
        shard, sequence_number = record["eventID"].split(":")
        try:
            line = archive_lines.line(b64decode(record["kinesis"]["data"], validate=True))
        except ValueError:
            counts["unreadable"] += 1
            failures.append(sequence_number)
            if chunk:
                yield chunk
            chunk = None
            continue
        hour = _hour(int(record["kinesis"]["approximateArrivalTimestamp"]) // HOUR)
        if chunk and (chunk.shard, chunk.hour) != (shard, hour):
            yield chunk
            chunk = None
        chunk = chunk or ArchiveObject(shard, hour, first=sequence_number)
        chunk.last = sequence_number
        chunk.lines.append(line)
    if chunk:
        yield chunk


@lru_cache(maxsize=24)
def _hour(hours: int) -> str:
    return datetime.fromtimestamp(hours * HOUR, UTC).strftime("arrived=%Y-%m-%d/%H")


@cache
def _s3() -> "S3Client":
    return boto3.client("s3", config=PUT.config())
