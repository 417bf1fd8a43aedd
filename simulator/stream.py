"""A Kinesis stream as the place that rows go to, when their time comes."""

import time
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Any

from clickstream.storage import kinesis_sink
from simulator.clock import SECOND
from simulator.delivery import Arrival

TICK = SECOND // 5  # what falls into one goes in one call


def send(kinesis: Any, stream: str, arrivals: Iterable[Arrival], end: int) -> Iterator[int]:
    """Put every line when its time has come by the clock, and at ``end`` (Unix ms) all that is left; give how many."""
    for tick, due in groupby(arrivals, lambda arrival: min(arrival[0], end) // TICK):
        time.sleep(max(0, tick * TICK / SECOND - time.time()))
        rows = [{"Data": line, "PartitionKey": key} for _, key, line in due]
        kinesis_sink.put(kinesis, stream, rows)
        yield len(rows)
