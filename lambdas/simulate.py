"""Simulated rows -> a Kinesis stream, as they happen. Started by Step Functions or EventBridge.

Reads   {"format": "visits", "stream": "clickstream", "rate": 1, "seconds": 20}, each with this default (the stream is
        that of the format), and any option of ``python -m simulator`` that applies to streams; an event of
        EventBridge's rules holds them in its ``detail``
Writes  the stream; the partition key is the user
Answer  what was sent, counted as in the simulator's ``_expected_counts.json``
"""

import json
import time
from dataclasses import fields
from functools import cache
from typing import TYPE_CHECKING, Any

import boto3

from lambdas.limits import CallLimits, Context
from simulator import FORMATS, ExpectedCounts, Live, Options, live_arrivals
from simulator.clock import SECOND
from simulator.stream import send

if TYPE_CHECKING:
    from mypy_boto3_kinesis import KinesisClient

PUT = CallLimits(connect_seconds=1, read_seconds=5, attempts=3)
DEFAULTS = {"format": "visits", "rate": 1, "seconds": 20}
ARCHIVE_OPTIONS = {"rows", "start", "days", "rows_per_file", "gzip"}


def handler(event: dict[str, Any], context: Context) -> dict[str, Any]:
    """Put the rows; fail before the first one if the input is wrong or the time too short."""
    given = DEFAULTS | event.get("detail", event)
    format_name, stream = given.pop("format"), given.pop("stream", None)
    live = Live(int(time.time() * SECOND), given.pop("rate"), given.pop("seconds"))
    unknown = given.keys() - ({field.name for field in fields(Options)} - ARCHIVE_OPTIONS)
    if unknown or format_name not in FORMATS:
        raise ValueError(f"{', '.join(sorted(unknown)) or format_name} is not known to the simulator.")
    if live.seconds * SECOND >= context.get_remaining_time_in_millis():
        raise ValueError(f"{live.seconds} seconds are more than the function's timeout leaves.")
    stream, expected = stream or FORMATS[format_name].stream, ExpectedCounts()
    for _ in send(_kinesis(), stream, live_arrivals(format_name, Options(**given), live, expected), live.end):
        pass
    sent = {"format": format_name, "stream": stream, **expected.as_dict()}
    print(json.dumps({"function": "simulate", **sent}))
    return sent


@cache
def _kinesis() -> "KinesisClient":
    return boto3.client("kinesis", config=PUT.config())
