"""A Kinesis stream as the place that rows go to."""

import random
import time
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any

from botocore.exceptions import ClientError  # type: ignore[import-untyped]

from simulator.clock import SECOND
from simulator.disorder import Arrival

# https://docs.aws.amazon.com/kinesis/latest/APIReference/API_PutRecords.html: what every stream takes
MAX_RECORDS = 500
MAX_BYTES = 5 * 2**20
MAX_RECORD_BYTES = 2**20  # with its key

TICK = SECOND // 5  # what falls into one goes in one call
ATTEMPTS = 10
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 5.0  # seconds between attempts

Row = dict[str, Any]
"""A record as PutRecords takes it."""


class StreamError(Exception):
    """The stream is not there or does not take the rows; the message is one sentence."""


def send(kinesis: Any, stream: str, arrivals: Iterable[Arrival], end: int) -> Iterator[int]:
    """Put every line when its time has come by the clock, and at ``end`` (Unix ms) all that is left; give how many."""
    for tick, due in groupby(arrivals, lambda arrival: min(arrival[0], end) // TICK):
        time.sleep(max(0, tick * TICK / SECOND - time.time()))
        rows = [{"Data": line, "PartitionKey": key} for _, key, line in due]
        put(kinesis, stream, rows)
        yield len(rows)


def put(kinesis: Any, stream: str, rows: Sequence[Row]) -> None:
    """Put all rows, and those that a call leaves out again after a pause; their order may change by that."""
    for call in calls(rows):
        left = call
        for attempt in range(ATTEMPTS):
            answers = _put_records(kinesis, stream, left)
            refused = [answer["ErrorCode"] for answer in answers if "ErrorCode" in answer]
            left = [row for row, answer in zip(left, answers, strict=True) if "ErrorCode" in answer]
            if not left:
                break
            time.sleep(random.uniform(0, min(LONGEST_PAUSE, FIRST_PAUSE * 2**attempt)))
        else:
            raise StreamError(f"{stream} refused {len(left)} rows {ATTEMPTS} times, the last with {refused[-1]}.")


def calls(rows: Iterable[Row]) -> Iterator[list[Row]]:
    """Cut into what one call may hold."""
    call: list[Row] = []
    size = 0
    for row in rows:
        row_size = len(row["Data"]) + len(row["PartitionKey"].encode())
        if row_size > MAX_RECORD_BYTES:
            raise StreamError(f"A row has {row_size:,} bytes with its key; Kinesis takes {MAX_RECORD_BYTES:,}.")
        if len(call) == MAX_RECORDS or size + row_size > MAX_BYTES:
            yield call
            call, size = [], 0
        call.append(row)
        size += row_size
    if call:
        yield call


def _put_records(kinesis: Any, stream: str, rows: list[Row]) -> list[dict[str, str]]:
    try:
        answers: list[dict[str, str]] = kinesis.put_records(StreamName=stream, Records=rows)["Records"]
    except ClientError as error:
        if error.response["Error"]["Code"] != "ResourceNotFoundException":
            raise
        raise StreamError(f"There is no stream {stream}.") from error
    return answers
