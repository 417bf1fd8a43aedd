"""Who does something, and when: bursts with pauses for users, a steady beat for bots."""

from bisect import bisect
from collections.abc import Iterator
from heapq import heapify, heappop, heappush, heapreplace
from itertools import accumulate
from random import Random

from simulator.clock import DAY, SECOND, midnight
from simulator.options import Options

ROWS_PER_SESSION = 8
MOST_BOTS = 5
SLOWEST_BEAT = 10 * SECOND  # a bot is one endless session under every gap in use

Session = tuple[int, int, int, int]
"""Unix ms of the next row, number of the session, user, rows left."""


Moment = tuple[int, int, int]
"""Unix ms, user, session."""


def activity(options: Options, start: int | None = None, span: int | None = None) -> Iterator[Moment]:
    """Give the moment of every distinct row in order of time; a user's times strictly increase.

    Sessions begin in ``span`` ms from ``start`` (Unix ms) on, unless said in ``options.days`` from ``options.start``.
    Users are 0 to ``options.users`` - 1, bots the numbers after them. Only the sessions under way are kept in memory.
    """
    rng = Random(f"activity {options.seed}")
    start = midnight(options.start) if start is None else start
    span = options.days * DAY if span is None else span
    under_way, beat = bots(options, start, span, rng)
    user_rows = options.rows - sum(left for *_, left in under_way)
    popularity = list(accumulate((rank + 1) ** -options.skew for rank in range(options.users)))
    last = [0] * (options.users + MOST_BOTS)

    session, promised, next_start = len(under_way), 0, start  # the rows promised so far pace the sessions' starts
    while under_way or promised < user_rows:
        if promised < user_rows and (not under_way or next_start <= under_way[0][0]):
            user = bisect(popularity, rng.random() * popularity[-1], hi=options.users - 1)
            rows = min(1 + int(rng.expovariate(1 / (ROWS_PER_SESSION - 1))), user_rows - promised)
            heappush(under_way, (next_start, session, user, rows))
            session += 1
            promised += rows
            next_start = start + span * promised // user_rows
        happened, number, user, left = under_way[0]
        if happened <= last[user]:  # another session of the user has a row at this very instant
            heapreplace(under_way, (last[user] + 1, number, user, left))
            continue
        last[user] = happened
        yield happened, user, number
        if left == 1:
            heappop(under_way)
        else:
            after = pause(rng.random()) if user < options.users else beat
            heapreplace(under_way, (happened + after, number, user, left - 1))


def pause(chance: float) -> int:
    """Milliseconds to the next row of a session: 3 s in the median, above a minute once in twenty, at most 17 min."""
    return 200 + int(3_000 * chance / (1.003 - chance))


def bots(options: Options, start: int, span: int, rng: Random) -> tuple[list[Session], int]:
    """Give each bot's one session, and their beat: as many bots as can keep it up all the time, or one for a while."""
    rows = round(options.rows * options.bots)
    number = max(1, min(MOST_BOTS, rows * SLOWEST_BEAT // span))
    beat = max(1, min(SLOWEST_BEAT, span * number // max(1, rows)))
    under_way = []
    for bot in range(number):
        left = rows // number + (bot < rows % number)
        first = start + int(rng.random() * max(0, span - beat * left))
        if left:
            under_way.append((first, bot, options.users + bot, left))
    heapify(under_way)
    return under_way, beat
