"""Whatever happens to the events between the runs, the tables end as the rules have it for the events there are.

Each user of an example is a case of its own: events that come in any order, at the gap and a millisecond beside it, at
one instant, over midnight, between two sessions, in sessions that are cut; that change, go again, belong to nobody or
come too late. Between the events there are runs: over all dates, over some, and some that are killed half way. Before
each of them the tables have had their upkeep, or some of it.
"""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta

import properties
import pytest
import sessions_oracle
from hypothesis import given
from hypothesis import strategies as st
from trial import Trial, plain_value

from clickstream import schemas
from clickstream.storage.iceberg import Branch

pytestmark = [pytest.mark.single, pytest.mark.slow]

GAP, LONGEST, LOOKBACK = timedelta(minutes=30), timedelta(hours=1), timedelta(days=7)
STEP, MILLISECOND = GAP / 2, timedelta(milliseconds=1)
EVENING = datetime(2024, 3, 17, 19)  # noqa: DTZ001 - Spark gives its times, all UTC, without a zone
RUNS = 4


@dataclass(frozen=True)
class Event:
    """An event of a user from the run on that first sees it, until the one that no longer does."""

    step: int  # of half a gap
    jitter: int  # milliseconds
    comes: int
    goes: int
    page: str | None
    fate: str = "valid"

    @property
    def time(self) -> datetime:
        return EVENING + self.step * STEP + self.jitter * MILLISECOND


def users() -> st.SearchStrategy:
    """Few steps, so that most events are within a gap of others; twice as likely there from the first run on."""
    event = st.builds(
        Event,
        step=st.integers(0, 22),
        jitter=st.sampled_from([0, 0, 0, -1, 1]),
        comes=st.sampled_from([0, *range(RUNS)]),
        goes=st.sampled_from([2, 3, *[RUNS] * 6]),
        page=st.sampled_from([None, "/", "/cart"]),
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


def table_row(user: int, number: int, event: Event, run: int) -> tuple:
    """Write the row of ``events`` that a run finds."""
    page = "/changed" if event.fate == "changes" and run > event.comes else event.page
    delay = {"at_the_lookback": LOOKBACK, "late": LOOKBACK + MILLISECOND}.get(event.fate, timedelta(0))
    uuid, created_at = f"{number * 7 % 12:02}-{user}", int((event.time - datetime(1970, 1, 1)) / MILLISECOND)  # noqa: DTZ001
    user_id = None if event.fate == "anonymous" else f"u{user}"
    payload = json.dumps({"page": page, "country": "DE" if number % 3 else None})
    return (uuid, "a:b", "b", created_at, "", event.time, user_id, payload, event.time + delay, "a", event.time.date())


def rows_of_run(users: list, run: int) -> set[tuple]:
    return {
        table_row(user, number, event, run)
        for user, events in enumerate(users)
        for number, event in enumerate(events)
        if event.comes <= run < event.goes
    }


def activity(rows: set[tuple]) -> list[dict]:
    """Pick what sessions are made of out of rows of ``events``."""
    found = []
    for uuid, name, _, _, _, time, user, payload, arrived_at, event_type, _ in rows:
        if user is not None and arrived_at - time <= LOOKBACK:
            said = json.loads(payload)
            values = (user, uuid, time, event_type, name, said["page"], None, said["country"])
            found.append(dict(zip(schemas.ACTIVITY.names, values, strict=True)))
    return found


def as_text(rows: list[dict]) -> list[dict]:
    return sorted(({name: plain_value(row[name]) for name in sorted(row)} for row in rows), key=json.dumps)


def bring(trial: Trial, rows: set[tuple], before: set[tuple]) -> None:
    """Let the table hold these rows: what is gone goes, what is new comes."""
    gone = ", ".join(f"'{row[0]}'" for row in before - rows)
    if gone:
        trial.spark.sql(f"delete from {trial.events_table} where event_uuid in ({gone})")
    new = [row for row in rows if row in rows - before]
    trial.spark.createDataFrame(new, schemas.EVENTS.columns).coalesce(1).writeTo(trial.events_table).append()


@properties.of_runs(2)  # 60 to 80 cases each
@given(
    users=users(),
    kinds=st.permutations(["all_dates", "some_dates", "killed"]),
    upkeep=upkeep(),
)
def test_the_tables_end_as_one_run_over_everything_would_leave_them(new_trial, users, kinds, upkeep):
    trial, before = new_trial(), set()
    for run, kind in enumerate([*kinds, "all_dates"]):
        rows = rows_of_run(users, run)
        bring(trial, rows, before)
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
    if kind != "killed":
        trial.sessions_batch(**given)
        return
    with pytest.MonkeyPatch.context() as patch:
        publish = Branch.publish
        patch.setattr(Branch, "publish", lambda branch: publish(branch) if ".sessions_" in branch.table else stop())
        with pytest.raises(KeyboardInterrupt):
            trial.sessions_batch(**given)


def stop() -> None:
    raise KeyboardInterrupt
