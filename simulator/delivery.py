"""Delivery of rows: delays, late rows, duplicates, conflicts and malformed lines."""

from collections.abc import Iterable, Iterator
from heapq import heappop, heappush
from itertools import count, cycle
from random import Random

from simulator.activity import Moment
from simulator.clock import DAY, HOUR
from simulator.expected import ExpectedCounts
from simulator.formats import Format
from simulator.malformed import repertoire
from simulator.options import Options

SHORTEST_LATENESS = 2 * HOUR  # so that a late row is filed in a later folder
MOST_WAITING = 100_000  # lines that may wait in memory; about 50 MB
LATE_DUPLICATES = 0.1  # share of the duplicates; the others are retries within seconds

Arrival = tuple[int, str, bytes]
"""Arrival in Unix ms, partition key, line without its line feed."""


def deliver(
    row_format: Format, moments: Iterable[Moment], options: Options, expected: ExpectedCounts
) -> Iterator[Arrival]:
    """Yield every line in order of arrival, and count it in ``expected``."""
    rng = Random(f"disorder {options.seed}")  # another text would change the bytes of every archive
    random = rng.random
    late = options.late if row_format.timed else 0
    conflicts = options.conflicts if row_format.keyed else 0
    longest = longest_lateness(options, late)
    broken = repertoire(row_format, rng)
    kinds = cycle(broken)
    number = count()  # breaks ties, so that the order is total
    waiting: list[tuple[int, int, str, bytes]] = []

    for happened, user, session in moments:
        while waiting and waiting[0][0] <= happened:
            at, _, key, line = heappop(waiting)
            yield at, key, line
        key, row = row_format.names[user], row_format.line(happened, user, session)
        line = row.encode()
        expected.distinct += 1
        expected.bots += user >= options.users
        at = happened + delay(random())
        if random() < late:
            at = happened + lateness(random(), longest)
            expected.late += 1
        heappush(waiting, (at, next(number), key, line))
        if random() < options.duplicates:
            after = lateness(random(), longest) if random() < LATE_DUPLICATES else delay(random())
            heappush(waiting, (at + after, next(number), key, line))
            expected.duplicates += 1
        if random() < conflicts:
            heappush(waiting, (at + delay(random()), next(number), key, row_format.conflicting(row, happened).encode()))
            expected.conflicts += 1
        if random() < options.malformed:
            kind = next(kinds)
            line = broken[kind](row_format.line(happened, user, session), row_format.line(happened, user, session))
            heappush(waiting, (happened + delay(random()), next(number), key, line))
            expected.malformed_by_kind[kind] += 1
    while waiting:
        at, _, key, line = heappop(waiting)
        yield at, key, line


def delay(chance: float) -> int:
    """Return the usual delay in ms: below 1 s in the median, 40 s at most."""
    return 50 + int(400 / (chance + 0.01))


def lateness(chance: float, longest: int) -> int:
    """Return the delay in ms of a late row."""
    return SHORTEST_LATENESS + int(chance * (longest - SHORTEST_LATENESS))


def longest_lateness(options: Options, late: float) -> int:
    """Return the longest delay in ms that keeps about ``MOST_WAITING`` lines in memory; at least the shortest."""
    late_per_ms = options.rows / (options.days * DAY) * (late + options.duplicates * LATE_DUPLICATES)
    affordable = 2 * MOST_WAITING / max(late_per_ms, 1e-9)  # lateness is uniform: half of the longest on average
    return max(SHORTEST_LATENESS, min(options.late_days * DAY, int(affordable)))
