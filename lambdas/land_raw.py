"""Kinesis ``clickstream`` -> the raw archive.

Reads   a batch of a shard's records, as Lambda hands it over; ``RAW_PATH``, such as s3://lake/raw/clickstream
Writes  RAW_PATH/arrived=YYYY-MM-DD/HH/<shard>-<first>-<last>.json.gz
Retry   safe: a record is written under the same name again

Lambda sends everything from the lowest sequence number that is reported on again, whatever was landed of it. So that a
retry finds the same objects, an object holds a run: the records between two failures, of one hour of arrival, and it is
named by the first and the last of them. If Lambda ever cut the batch in another way, lines would be twice in the
archive, where ``clickstream_batch`` finds them alike.

A record is ``landed``, ``empty`` (white space), ``unreadable`` (not base64; reported) or ``failed`` (S3 refused its
run; the run's first is reported). Whether a line is a visit is for ``clickstream_batch`` to judge.
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
from typing import Any

import boto3  # type: ignore[import-untyped]
from botocore.exceptions import BotoCoreError, ClientError  # type: ignore[import-untyped]

from lambdas import json_lines

GZIP_LEVEL = 6
HOUR = 3600


@dataclass
class Run:
    """Records that are landed as one object."""

    shard: str
    hour: str  # of their arrival, as its folders are called
    first: str
    last: str = ""
    records: int = 0
    lines: list[bytes] = field(default_factory=list)

    @property
    def name(self) -> str:
        """Tell it from every other run, and from none of its own retries."""
        return f"{self.hour}/{self.shard}-{self.first}-{self.last}.json.gz"


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:  # noqa: ARG001
    """Answer Lambda."""
    return land(event["Records"], os.environ["RAW_PATH"], _s3())


def land(records: list[dict[str, Any]], raw_path: str, s3: Any) -> dict[str, Any]:
    """Write the records' lines, and report the records that have to come again."""
    bucket, _, prefix = raw_path.removeprefix("s3://").partition("/")
    counts = Counter(records=len(records))
    failures: list[str] = []
    for run in runs(records, counts, failures):
        body = gzip.compress(b"\n".join([*run.lines, b""]), GZIP_LEVEL, mtime=0)  # the same lines: the same bytes
        try:
            s3.put_object(Bucket=bucket, Key=f"{prefix.rstrip('/')}/{run.name}", Body=body)
        except (BotoCoreError, ClientError) as error:
            print(json.dumps({"function": "land_raw", "object": run.name, "error": str(error)}))
            counts["failed"] += run.records
            failures.append(run.first)
        else:
            counts.update(landed=run.records, lines=len(run.lines), objects=1)
    print(json.dumps({"function": "land_raw", **counts}))
    return {"batchItemFailures": [{"itemIdentifier": sequence_number} for sequence_number in failures]}


def runs(records: Iterable[dict[str, Any]], counts: Counter[str], failures: list[str]) -> Iterator[Run]:
    """Give the runs; count and report what is in none."""
    run: Run | None = None
    for record in records:
        shard, sequence_number = record["eventID"].split(":")
        try:
            lines = json_lines.split(b64decode(record["kinesis"]["data"], validate=True))
        except ValueError:
            counts["unreadable"] += 1
            failures.append(sequence_number)
            if run:
                yield run
            run = None
            continue
        if not lines:
            counts["empty"] += 1
            continue
        hour = _hour(int(record["kinesis"]["approximateArrivalTimestamp"]) // HOUR)
        if run and (run.shard, run.hour) != (shard, hour):
            yield run
            run = None
        run = run or Run(shard, hour, first=sequence_number)
        run.last = sequence_number
        run.records += 1
        run.lines += lines
    if run:
        yield run


@lru_cache(maxsize=24)
def _hour(hours: int) -> str:
    return datetime.fromtimestamp(hours * HOUR, UTC).strftime("arrived=%Y-%m-%d/%H")


@cache
def _s3() -> Any:
    return boto3.client("s3")
