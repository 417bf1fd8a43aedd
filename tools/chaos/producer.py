"""A producer that writes while the job is being hurt, and knows what it has sent: the truth."""

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
from tools.chaos.stream import Record, Stream

TICK_SECONDS = 0.25
RETRIED = 0.05  # of the events: the same bytes again
LATEST_RETRY_SECONDS = 15
REFUSED = 0.01  # as many records more are no events
TYPES = 8  # of events: each is a file of a batch


class Producer:
    """Sends so many events; retries some that had arrived, and mixes in records that no job may accept."""

    def __init__(self, stream: Stream, events: int, seed: int) -> None:
        """Send nothing yet."""
        options = Options(rows=events, seed=seed, event_types=TYPES, duplicates=0, malformed=0)
        self.per_second = 0.0
        self.left = events
        self.retried = 0
        self.events: Counter[bytes] = Counter()  # what the table has to hold, and how many times
        self.refused: Counter[bytes] = Counter()  # what the quarantine has to
        self._stream = stream
        self._rng = Random(seed)
        self._good = ({"PartitionKey": key, "Data": line} for _, key, line in arrivals("events", options))
        self._broken = _broken(options, self._rng)
        self._retries: list[tuple[float, int, Record]] = []
        self._number = count()
        self._failure: Exception | None = None

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Write in the background, ``per_second`` events, as long as there are any."""
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

    def send(self, most: float) -> None:
        """Send so many events, what has to be sent again by now, and some that are broken."""
        records: list[Record] = []
        while self._retries and self._retries[0][0] <= time.monotonic():
            records.append(heappop(self._retries)[2])
            self.retried += 1
        for record in self._next(round(most)):
            records.append(record)
            self.events[record["Data"]] += 1
            if self._rng.random() < RETRIED:
                due = time.monotonic() + self._rng.random() * LATEST_RETRY_SECONDS
                heappush(self._retries, (due, next(self._number), record))
            if self._rng.random() < REFUSED:
                records.append(record | {"Data": next(self._broken)})
                self.refused[records[-1]["Data"]] += 1
        self._stream.put(records)

    def finish(self) -> None:
        """Send the rest at once, and all that has to be sent again."""
        self.send(self.left)
        self._retries = [(0, number, record) for _, number, record in self._retries]
        self.send(0)

    def _write(self, is_over: threading.Event) -> None:
        owed = 0.0
        while not is_over.wait(TICK_SECONDS):
            owed += self.per_second * TICK_SECONDS
            try:
                self.send(int(owed))
            except Exception as error:  # noqa: BLE001  # raised where the block ends
                self._failure = error
                return
            owed %= 1

    def _next(self, most: int) -> Iterator[Record]:
        taken = min(most, self.left)
        self.left -= taken
        yield from islice(self._good, taken)


def _broken(options: Options, rng: Random) -> Iterator[bytes]:
    """Give malformed lines of every kind, none of them twice."""
    shape, met = Events(options), set[bytes]()
    breakers = repertoire(shape, rng)
    for number, kind in enumerate(cycle(breakers)):
        line = breakers[kind](shape.line(1_700_000_000_000 + number, 0, 0), shape.line(1_700_000_000_000, 1, 0))
        if line not in met:
            met.add(line)
            yield line
