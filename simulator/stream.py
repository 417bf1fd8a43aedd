"""Rows into a Kinesis stream, each when it is due."""

import time
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import TYPE_CHECKING

from clickstream.storage import kinesis_sink
from simulator.clock import SECOND
from simulator.delivery import Arrival

if TYPE_CHECKING:
    from mypy_boto3_kinesis import KinesisClient

TICK = SECOND // 5  # rows due in the same tick are put together


def send(kinesis: "KinesisClient", stream: str, arrivals: Iterable[Arrival], end: int) -> Iterator[int]:
    """Put each line when it is due, and at ``end`` (Unix ms) all that are left; yield how many each put had."""
    for tick, due in groupby(arrivals, lambda arrival: min(arrival[0], end) // TICK):
        time.sleep(max(0, tick * TICK / SECOND - time.time()))
        rows = [{"Data": line, "PartitionKey": key} for _, key, line in due]
        kinesis_sink.put(kinesis, stream, rows)
        yield len(rows)
