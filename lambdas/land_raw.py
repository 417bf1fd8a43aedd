"""Kinesis ``clickstream`` -> the raw archive.

Reads   a batch of a shard's records, as Lambda hands it over; ``RAW_PATH``, such as s3://lake/raw/clickstream
Writes  RAW_PATH/arrived=YYYY-MM-DD/HH/<shard>-<first>-<last>.json.gz
Retry   safe: a record is written under the same name again

Lambda retries from the lowest sequence number reported, whatever of it was archived. So that a retry overwrites the
same objects, each object holds the records between two failures that arrived in one hour, and is named by the first and
the last of them. If Lambda ever split the batch differently, the archive would hold lines twice, which
``clickstream_batch`` counts as duplicates.

A record is ``archived``, ``empty`` (white space), ``unreadable`` (not base64; reported) or ``failed`` (S3 did not take
its object; the first record of the object is reported). ``clickstream_batch`` validates the lines.
"""

import gzip
import json
import os
from base64 import b64decode
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from lambdas import json_lines

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

GZIP_LEVEL = 6
HOUR = 3600


@dataclass
class ArchiveObject:
    """Consecutive records of a shard and an hour, archived as one object."""

    shard: str
    hour: str  # of their arrival, as its folders are called
    first: str
    last: str = ""
    records: int = 0
    lines: list[bytes] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The key below ``RAW_PATH``: the same on every retry, and of no other object."""
        return f"{self.hour}/{self.shard}-{self.first}-{self.last}.json.gz"


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:  # noqa: ARG001
    """Archive a batch, as Lambda's event source mapping calls it."""
    return archive(event["Records"], os.environ["RAW_PATH"], _s3())


def archive(records: list[dict[str, Any]], raw_path: str, s3: "S3Client") -> dict[str, Any]:
    """Write the records' lines; return the records to retry, as ReportBatchItemFailures has it."""
    bucket, _, prefix = raw_path.removeprefix("s3://").partition("/")
    counts = Counter(records=len(records))
    failures: list[str] = []
    for chunk in objects(records, counts, failures):
        body = gzip.compress(b"\n".join([*chunk.lines, b""]), GZIP_LEVEL, mtime=0)  # the same lines: the same bytes
        try:
            s3.put_object(Bucket=bucket, Key=f"{prefix.rstrip('/')}/{chunk.name}", Body=body)
        except (BotoCoreError, ClientError) as error:
            print(json.dumps({"function": "land_raw", "object": chunk.name, "error": str(error)}))
            counts["failed"] += chunk.records
            failures.append(chunk.first)
        else:
            counts.update(archived=chunk.records, lines=len(chunk.lines), objects=1)
    print(json.dumps({"function": "land_raw", **counts}))
    return {"batchItemFailures": [{"itemIdentifier": sequence_number} for sequence_number in failures]}


def objects(records: Iterable[dict[str, Any]], counts: Counter[str], failures: list[str]) -> Iterator[ArchiveObject]:
    """Group the records into objects; add what is in none to ``counts`` and ``failures``."""
    chunk: ArchiveObject | None = None
    for record in records:
        shard, sequence_number = record["eventID"].split(":")
        try:
            lines = json_lines.split(b64decode(record["kinesis"]["data"], validate=True))
        except ValueError:
            counts["unreadable"] += 1
            failures.append(sequence_number)
            if chunk:
                yield chunk
            chunk = None
            continue
        if not lines:
            counts["empty"] += 1
            continue
        hour = _hour(int(record["kinesis"]["approximateArrivalTimestamp"]) // HOUR)
        if chunk and (chunk.shard, chunk.hour) != (shard, hour):
            yield chunk
            chunk = None
        chunk = chunk or ArchiveObject(shard, hour, first=sequence_number)
        chunk.last = sequence_number
        chunk.records += 1
        chunk.lines += lines
    if chunk:
        yield chunk


@lru_cache(maxsize=24)
def _hour(hours: int) -> str:
    return datetime.fromtimestamp(hours * HOUR, UTC).strftime("arrived=%Y-%m-%d/%H")


@cache
def _s3() -> "S3Client":
    return boto3.client("s3")
