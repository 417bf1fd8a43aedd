"""The simulator's rows -> a Kinesis stream, as they happen. Step Functions or a rule of EventBridge starts it.

Reads   {"shape": "visits", "stream": "clickstream", "rate": 1, "seconds": 20}, each with this default, and any option
        of ``python -m simulator`` that is not of archives; an event of EventBridge has them in its ``detail``
Writes  the stream, the user for the partition key
Answer  what was sent, counted as in the simulator's ``_expected_counts.json``
"""

import json
import time
from dataclasses import fields
from functools import cache
from typing import Any

import boto3  # type: ignore[import-untyped]

from simulator import SHAPES, Live, Options, Truth, live_arrivals
from simulator.clock import SECOND
from simulator.stream import send

DEFAULTS = {"shape": "visits", "stream": "clickstream", "rate": 1, "seconds": 20}
NOT_OPTIONS = {"rows", "start", "days", "rows_per_file", "gzip"}  # of archives


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Put the rows; fail before the first of them if the input is wrong or the time too short."""
    asked = DEFAULTS | event.get("detail", event)
    shape, stream = asked.pop("shape"), asked.pop("stream")
    live = Live(int(time.time() * SECOND), asked.pop("rate"), asked.pop("seconds"))
    unknown = asked.keys() - ({field.name for field in fields(Options)} - NOT_OPTIONS)
    if unknown or shape not in SHAPES:
        raise ValueError(f"{', '.join(sorted(unknown)) or shape} is not known to the simulator.")
    if live.seconds * SECOND >= context.get_remaining_time_in_millis():
        raise ValueError(f"{live.seconds} seconds are more than the function's timeout leaves.")
    truth = Truth()
    for _ in send(_kinesis(), stream, live_arrivals(shape, Options(**asked), live, truth), live.end):
        pass
    sent = {"shape": shape, "stream": stream, **truth.as_dict()}
    print(json.dumps({"function": "simulate", **sent}))
    return sent


@cache
def _kinesis() -> Any:
    return boto3.client("kinesis")
