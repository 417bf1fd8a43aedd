"""Who acts when: users in bursts with pauses, bots at a steady interval."""

from bisect import bisect
from collections.abc import Iterator
from heapq import heapify, heappop, heappush, heapreplace
from itertools import accumulate
from random import Random

from simulator.clock import DAY, SECOND, midnight
from simulator.options import Options

ROWS_PER_SESSION = 8
MOST_BOTS = 5
LONGEST_INTERVAL = 10 * SECOND  # a bot is one endless session under every gap in use

Session = tuple[int, int, int, int]
"""Unix ms of the next row, number of the session, user, rows left."""


Moment = tuple[int, int, int]
"""Unix ms, user, session."""


def activity(options: Options, start: int | None = None, span: int | None = None) -> Iterator[Moment]:
    """Yield the moment of every distinct row in order of time; a user's times strictly increase.

    Sessions begin within ``span`` ms of ``start`` (Unix ms); by default, within ``options.days`` of ``options.start``.
    Users are numbered 0 to ``options.users`` - 1, bots after them. Only open sessions are kept in memory.
    """
    rng = Random(f"activity {options.seed}")
    start = midnight(options.start) if start is None else start
    span = options.days * DAY if span is None else span
    open_sessions, interval = bots(options, start, span, rng)
    user_rows = options.rows - sum(left for *_, left in open_sessions)
    popularity = list(accumulate((rank + 1) ** -options.skew for rank in range(options.users)))
    last = [0] * (options.users + MOST_BOTS)

    session, promised, next_start = len(open_sessions), 0, start  # the rows promised so far pace the sessions' starts
    while open_sessions or promised < user_rows:
        if promised < user_rows and (not open_sessions or next_start <= open_sessions[0][0]):
            user = bisect(popularity, rng.random() * popularity[-1], hi=options.users - 1)
            rows = min(1 + int(rng.expovariate(1 / (ROWS_PER_SESSION - 1))), user_rows - promised)
            heappush(open_sessions, (next_start, session, user, rows))
            session += 1
            promised += rows
            next_start = start + span * promised // user_rows
        happened, number, user, left = open_sessions[0]
        if happened <= last[user]:  # another session of the user has a row at this very instant
            heapreplace(open_sessions, (last[user] + 1, number, user, left))
            continue
        last[user] = happened
        yield happened, user, number
        if left == 1:
            heappop(open_sessions)
        else:
            after = pause(rng.random()) if user < options.users else interval
            heapreplace(open_sessions, (happened + after, number, user, left - 1))


def pause(chance: float) -> int:
    """Return the ms to a session's next row: 3 s in the median, above a minute once in twenty, at most 17 min."""
    return 200 + int(3_000 * chance / (1.003 - chance))


def bots(options: Options, start: int, span: int, rng: Random) -> tuple[list[Session], int]:
    """Return each bot's one session and their interval in ms.

    There are as many bots as the rows keep busy for the whole span, or one for part of it.
    """
    rows = round(options.rows * options.bots)
    number = max(1, min(MOST_BOTS, rows * LONGEST_INTERVAL // span))
    interval = max(1, min(LONGEST_INTERVAL, span * number // max(1, rows)))
    sessions = []
    for bot in range(number):
        left = rows // number + (bot < rows % number)
        first = start + int(rng.random() * max(0, span - interval * left))
        if left:
            sessions.append((first, bot, options.users + bot, left))
    heapify(sessions)
    return sessions, interval
