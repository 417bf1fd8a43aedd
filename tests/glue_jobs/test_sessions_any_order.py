"""Whatever happens to the events between the runs, the tables end as the rules have it for the events there are.

Each user of an example is a case of its own: events that come in any order, at the gap and a millisecond beside it, at
one instant, over midnight, between two sessions, in sessions that are cut; that change, go again, belong to nobody or
come too late; that stand in the table several times, in one form or in others, for a while or for good. Between the
events there are runs: over all dates, over some, some that are killed half way, and two at once. Before each of them
the rows of the table have come by appending, by deleting or by a rebuild, and the tables have had their upkeep, or some
of it.
"""

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

import properties
import pytest
import sessions_oracle
from hypothesis import given
from hypothesis import strategies as st
from trial import Trial, plain_value

from clickstream import errors, schemas
from clickstream.storage.iceberg import Branch

pytestmark = [pytest.mark.single, pytest.mark.slow]

GAP, LONGEST, LOOKBACK = timedelta(minutes=30), timedelta(hours=1), timedelta(days=7)
STEP, MILLISECOND = GAP / 2, timedelta(milliseconds=1)
EVENING = datetime(2024, 3, 17, 19)  # noqa: DTZ001 - Spark gives its times, all UTC, without a zone
RUNS = 5


@dataclass(frozen=True)
class Copy:
    """A row more of an event, from a run on until one that no longer sees it."""

    comes: int
    goes: int
    delay: int  # hours of its arrival, to the event's
    page: str | None
    is_of_another_user: bool


@dataclass(frozen=True)
class Event:
    """An event of a user from the run on that first sees it, until the one that no longer does."""

    step: int  # of half a gap
    jitter: int  # milliseconds
    comes: int
    goes: int
    page: str | None
    copies: list[Copy]
    fate: str = "valid"

    @property
    def time(self) -> datetime:
        return EVENING + self.step * STEP + self.jitter * MILLISECOND


def users() -> st.SearchStrategy:
    """Few steps, so that most events are within a gap of others; twice as likely there from the first run on."""
    comes, goes = st.sampled_from([0, *range(RUNS)]), st.sampled_from([2, 3, *[RUNS] * 6])
    page = st.sampled_from([None, "/", "/cart"])
    copy = st.builds(
        Copy,
        comes,
        goes,
        delay=st.sampled_from([-1, 0, 0, 1]),
        page=page,
        is_of_another_user=st.sampled_from([True, *[False] * 4]),
    )
    event = st.builds(
        Event,
        step=st.integers(0, 22),
        jitter=st.sampled_from([0, 0, 0, -1, 1]),
        comes=comes,
        goes=goes,
        page=page,
        copies=st.one_of(st.just([]), st.just([]), st.lists(copy, max_size=3)),
        fate=st.sampled_from([*["valid"] * 12, "changes", "anonymous", "at_the_lookback", "late"]),
    )
    return st.lists(st.lists(event, min_size=1, max_size=12), min_size=60, max_size=80)


def upkeep() -> st.SearchStrategy:
    """Rewrite and expire tables, in any order, before each run."""
    step = st.tuples(
        st.sampled_from(["rewrite", "expire"]),
        st.sampled_from(["events_table", "session_events_table", "sessions_table"]),
    )
    return st.lists(st.lists(step, max_size=6), min_size=RUNS, max_size=RUNS)


def table_rows(user: int, number: int, event: Event, run: int) -> Iterator[tuple]:
    """Write the rows of ``events`` that a run finds of an event."""
    delay = {"at_the_lookback": LOOKBACK, "late": LOOKBACK + MILLISECOND}.get(event.fate, timedelta(0))
    uuid, created_at = f"{number * 7 % 12:02}-{user}", int((event.time - datetime(1970, 1, 1)) / MILLISECOND)  # noqa: DTZ001

    def row(owner: str, page: str | None, arrived_at: datetime) -> tuple:
        user_id = None if event.fate == "anonymous" else owner
        country, day = "DE" if number % 3 else None, event.time.date()
        payload = json.dumps({"page": page, "country": country})
        return (
            uuid,
            "a:b",
            "b",
            created_at,
            "",
            event.time,
            user_id,
            page,
            None,
            country,
            payload,
            arrived_at,
            "a",
            day,
        )

    if event.comes <= run < event.goes:
        yield row(
            f"u{user}", "/changed" if event.fate == "changes" and run > event.comes else event.page, event.time + delay
        )
    for copy in event.copies:
        if copy.comes <= run < copy.goes:
            owner = f"v{user}" if copy.is_of_another_user else f"u{user}"
            yield row(owner, copy.page, event.time + delay + copy.delay * timedelta(hours=1))


def rows_of_run(users: list, run: int) -> Counter[tuple]:
    return Counter(
        row
        for user, events in enumerate(users)
        for number, event in enumerate(events)
        for row in table_rows(user, number, event, run)
    )


def activity(rows: Counter[tuple]) -> list[dict]:
    """Pick what sessions are made of out of rows of ``events``: of each event the first row that is valid."""
    events: dict[tuple, list[tuple]] = {}
    for uuid, name, _, _, _, time, user, page, device_type, country, payload, arrived_at, event_type, _ in rows:
        if user is not None and arrived_at - time <= LOOKBACK:
            values = (user, uuid, time, event_type, name, page, device_type, country)
            events.setdefault((uuid, time), []).append((arrived_at, payload, user, values))
    first = [min(found, key=lambda row: row[:3]) for found in events.values()]
    return [dict(zip(schemas.ACTIVITY.names, values, strict=True)) for *_, values in first]


def as_text(rows: list[dict]) -> list[dict]:
    return sorted(({name: plain_value(row[name]) for name in sorted(row)} for row in rows), key=json.dumps)


def bring(trial: Trial, rows: Counter[tuple], before: Counter[tuple], way: str) -> None:
    """Let the table hold these rows: a rebuild writes all of them, otherwise what is gone is deleted first."""
    frame = partial(trial.spark.createDataFrame, schema=schemas.EVENTS.columns)
    if way == "rebuild" and rows:
        trial.spark.sql(f"delete from {trial.events_table}")
        frame(list(rows.elements())).coalesce(1).writeTo(trial.events_table).append()
        return
    uuids = {row[0] for row in before - rows}
    if uuids:
        mode = "merge-on-read" if way == "delete_files" else "copy-on-write"
        trial.spark.sql(f"alter table {trial.events_table} set tblproperties ('write.delete.mode' = '{mode}')")
        gone = ", ".join(f"'{uuid}'" for uuid in uuids)
        trial.spark.sql(f"delete from {trial.events_table} where event_uuid in ({gone})")
    stay = Counter({row: count for row, count in before.items() if row[0] not in uuids})
    frame(list((rows - stay).elements())).coalesce(1).writeTo(trial.events_table).append()


@properties.of_runs(2)  # 60 to 80 cases each
@given(
    users=users(),
    kinds=st.permutations(["all_dates", "some_dates", "killed", "overtaken"]),
    ways=st.lists(st.sampled_from(["rebuild", "rows", "rows", "delete_files"]), min_size=RUNS, max_size=RUNS),
    upkeep=upkeep(),
)
def test_the_tables_end_as_one_run_over_everything_would_leave_them(new_trial, users, kinds, ways, upkeep):
    trial, before = new_trial(), Counter()
    for run, kind in enumerate([*kinds, "all_dates"]):
        rows = rows_of_run(users, run)
        bring(trial, rows, before, ways[run])
        before = rows
        for step, table in upkeep[run]:
            getattr(trial, step)(getattr(trial, table))
        run_sessions(trial, kind)

    expected = sessions_oracle.session_events(activity(before), GAP, LONGEST)
    assert as_text(trial.session_events()) == as_text(expected)
    assert as_text(trial.sessions()) == as_text(list(sessions_oracle.sessions(expected)))


def run_sessions(trial: Trial, kind: str) -> None:
    given = {"gap_seconds": GAP.seconds, "max_session_hours": 1, "lookback_days": LOOKBACK.days}
    if kind == "some_dates":
        given["start_date"] = EVENING.date() + timedelta(days=1)
    if kind not in ("killed", "overtaken"):
        trial.sessions_batch(**given)
        return
    publish = Branch.publish
    with pytest.MonkeyPatch.context() as patch:

        def killed(branch: Branch) -> None:
            if ".session_events_" in branch.table:
                raise KeyboardInterrupt
            publish(branch)

        def overtaken(branch: Branch) -> None:
            patch.setattr(Branch, "publish", publish)
            trial.sessions_batch(**given)
            publish(branch)

        patch.setattr(Branch, "publish", killed if kind == "killed" else overtaken)
        with suppress(KeyboardInterrupt, errors.ConcurrentCommitError):
            trial.sessions_batch(**given)
