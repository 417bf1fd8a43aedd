"""From what happened to what arrives: delays, and lines that come late, twice, contradictory or broken."""

from collections.abc import Iterable, Iterator
from heapq import heappop, heappush
from itertools import count, cycle
from random import Random

from simulator.activity import Moment
from simulator.clock import DAY, HOUR
from simulator.expected import Truth
from simulator.formats import Shape
from simulator.malformed import repertoire
from simulator.options import Options

SHORTEST_LATENESS = 2 * HOUR  # so that a late row is filed in a later folder
MOST_HELD = 100_000  # lines that may wait in memory; about 50 MB
LATE_DUPLICATES = 0.1  # of the duplicates; the others are retries within seconds

Arrival = tuple[int, str, bytes]
"""Arrival in Unix ms, partition key, line without its end."""


def disordered(shape: Shape, moments: Iterable[Moment], options: Options, truth: Truth) -> Iterator[Arrival]:
    """Give every line in order of arrival, and count it in ``truth``."""
    rng = Random(f"disorder {options.seed}")
    random = rng.random
    late = options.late if shape.timed else 0
    conflicts = options.conflicts if shape.keyed else 0
    longest = longest_lateness(options, late)
    broken = repertoire(shape, rng)
    kinds = cycle(broken)
    number = count()  # breaks ties, so that the order is total
    waiting: list[tuple[int, int, str, bytes]] = []

    for happened, user, session in moments:
        while waiting and waiting[0][0] <= happened:
            at, _, key, line = heappop(waiting)
            yield at, key, line
        key, row = shape.names[user], shape.line(happened, user, session)
        line = row.encode()
        truth.distinct += 1
        truth.bots += user >= options.users
        at = happened + delay(random())
        if random() < late:
            at = happened + lateness(random(), longest)
            truth.late += 1
        heappush(waiting, (at, next(number), key, line))
        if random() < options.duplicates:
            after = lateness(random(), longest) if random() < LATE_DUPLICATES else delay(random())
            heappush(waiting, (at + after, next(number), key, line))
            truth.duplicates += 1
        if random() < conflicts:
            heappush(waiting, (at + delay(random()), next(number), key, shape.conflicting(row, happened).encode()))
            truth.conflicts += 1
        if random() < options.malformed:
            kind = next(kinds)
            line = broken[kind](shape.line(happened, user, session), shape.line(happened, user, session))
            heappush(waiting, (happened + delay(random()), next(number), key, line))
            truth.malformed_by_kind[kind] += 1
    while waiting:
        at, _, key, line = heappop(waiting)
        yield at, key, line


def delay(chance: float) -> int:
    """Milliseconds on the way as a rule: under 1 s in the median, 40 s at most."""
    return 50 + int(400 / (chance + 0.01))


def lateness(chance: float, longest: int) -> int:
    """Milliseconds on the way of what is late."""
    return SHORTEST_LATENESS + int(chance * (longest - SHORTEST_LATENESS))


def longest_lateness(options: Options, late: float) -> int:
    """Give the longest at which the lines that wait stay about ``MOST_HELD``; never below the shortest."""
    held_back_per_ms = options.rows / (options.days * DAY) * (late + options.duplicates * LATE_DUPLICATES)
    affordable = 2 * MOST_HELD / max(held_back_per_ms, 1e-9)  # lateness is uniform: half of the longest on average
    return max(SHORTEST_LATENESS, min(options.late_days * DAY, int(affordable)))
