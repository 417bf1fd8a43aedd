"""A producer that sends while the job is disturbed, and remembers what it has sent."""

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from heapq import heappop, heappush
from itertools import count, cycle, islice
from random import Random

from simulator import Options, arrivals
from simulator.events import Events
from simulator.malformed import repertoire
from tools.chaos.stream import KinesisStream, PutRecord

TICK_SECONDS = 0.25
RETRIED = 0.05  # share of the events that are sent again, byte for byte
MAX_RETRY_SECONDS = 15
MALFORMED = 0.01  # malformed records per event
TYPES = 8  # event types: each makes a file per batch


class Producer:
    """Sends a number of events, some of them twice, mixed with malformed records."""

    def __init__(self, stream: KinesisStream, events: int, seed: int) -> None:
        options = Options(rows=events, seed=seed, event_types=TYPES, duplicates=0, malformed=0)
        self.per_second = 0.0
        self.left = events
        self.retried = 0
        self.events: Counter[bytes] = Counter()  # that the table must hold, and how often
        self.malformed: Counter[bytes] = Counter()  # that the quarantine must hold, and how often
        self._stream = stream
        self._rng = Random(seed)
        self._good = ({"PartitionKey": key, "Data": line} for _, key, line in arrivals("events", options))
        self._malformed = _malformed_lines(options, self._rng)
        self._retries: list[tuple[float, int, PutRecord]] = []
        self._tie_breaker = count()
        self._failure: Exception | None = None

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Send ``per_second`` events in the background while the block runs and events are left."""
        is_over = threading.Event()
        thread = threading.Thread(target=self._write, args=[is_over])
        thread.start()
        try:
            yield
        finally:
            is_over.set()
            thread.join()
        if self._failure:
            raise self._failure

    def send(self, number: int) -> None:
        """Send events, retries that are due and malformed records."""
        records: list[PutRecord] = []
        while self._retries and self._retries[0][0] <= time.monotonic():
            records.append(heappop(self._retries)[2])
            self.retried += 1
        for record in self._next(number):
            records.append(record)
            self.events[record["Data"]] += 1
            if self._rng.random() < RETRIED:
                due = time.monotonic() + self._rng.random() * MAX_RETRY_SECONDS
                heappush(self._retries, (due, next(self._tie_breaker), record))
            if self._rng.random() < MALFORMED:
                records.append(record | {"Data": next(self._malformed)})
                self.malformed[records[-1]["Data"]] += 1
        self._stream.put(records)

    def finish(self) -> None:
        """Send the remaining events at once, then all retries."""
        self.send(self.left)
        self._retries = [(0, number, record) for _, number, record in self._retries]
        self.send(0)

    def _write(self, is_over: threading.Event) -> None:
        due = 0.0
        while not is_over.wait(TICK_SECONDS):
            due += self.per_second * TICK_SECONDS
            try:
                self.send(int(due))
            except Exception as error:  # noqa: BLE001  # raised where the block ends
                self._failure = error
                return
            due %= 1

    def _next(self, number: int) -> Iterator[PutRecord]:
        number = min(number, self.left)
        self.left -= number
        yield from islice(self._good, number)


def _malformed_lines(options: Options, rng: Random) -> Iterator[bytes]:
    """Yield malformed lines of every kind, none of them twice."""
    events, seen = Events(options), set[bytes]()
    breakers = repertoire(events, rng)
    for number, kind in enumerate(cycle(breakers)):
        line = breakers[kind](events.line(1_700_000_000_000 + number, 0, 0), events.line(1_700_000_000_000, 1, 0))
        if line not in seen:
            seen.add(line)
            yield line
