"""Events -> sessions, run after run: what is recomputed, what is quarantined, and what a run leaves alone."""

from datetime import date

import pytest
from pyspark.sql import functions as F
from trial import event

import sessions_batch
from clickstream import errors, schemas
from clickstream.runtime.arguments import Table
from clickstream.storage.iceberg import Branch

T = 1_710_670_530_000  # 2024-03-17T10:15:30Z
MINUTE, DAY = 60_000, 86_400_000
MOST_JOBS = 20


def act(uuid, minute, user="ada", **fields):
    return event(uuid, at=T + minute * MINUTE, user_id=user, **fields)


def events_per_session(trial):
    """Return which events each session has, in order."""
    rows = sorted(trial.session_events(), key=lambda row: (row["session_id"], row["event_time"], row["event_uuid"]))
    sessions = {row["session_id"]: row["event_count"] for row in trial.sessions()}
    events = {name: [row["event_uuid"] for row in rows if row["session_id"] == name] for name in sessions}
    assert {name: len(uuids) for name, uuids in events.items()} == sessions
    assert len(rows) == sum(sessions.values())
    return {name: "".join(uuids) for name, uuids in events.items()}


def send_again(trial, *uuids, arrival="interval 1 day", user=None):
    """Add rows of events that are there, as of another arrival, and perhaps of another user."""
    changed = {"arrived_at": f"arrived_at + {arrival}"} | ({"user_id": f"'{user}'"} if user else {})
    columns = ", ".join(f"{changed.get(name, name)} as {name}" for name in schemas.EVENTS.names)
    rows = trial.spark.sql(f"select {columns} from {trial.events_table}").where(F.col("event_uuid").isin(*uuids))
    rows.dropDuplicates(["event_uuid"]).writeTo(trial.events_table).append()


def jobs(spark):
    """Return the ids of all jobs that Spark still knows."""
    return set(spark.sparkContext.statusTracker().getJobIdsForGroup())


def head(spark, table):
    return spark.sql(f"select snapshot_id from lake.{table}.refs where name = 'main'").collect()


def test_a_late_event_makes_one_session_of_two_and_renumbers_the_next(spark, trial):
    trial.send([act("a", 0), act("b", 40), act("c", 100), act("d", 0, "bob"), event("e", user_id=None)])
    counts = trial.sessions_batch()
    assert events_per_session(trial) == {"ada-1": "a", "ada-2": "b", "ada-3": "c", "bob-1": "d"}
    assert (counts["read"], counts["written"], counts["skipped_anonymous"], counts["sessions"]) == (5, 4, 1, 4)

    trial.send([act("x", 20)], "late.jsonl")
    counts = trial.sessions_batch()
    assert events_per_session(trial) == {"ada-1": "axb", "ada-2": "c", "bob-1": "d"}
    assert (counts["read"], counts["written"], counts["duplicate"]) == (1, 1, 0)
    assert (counts["sessions"], counts["session_events"]) == (2, 4)  # <- bob's is left alone

    heads = [head(spark, table) for table in (trial.session_events_table, trial.sessions_table)]
    assert trial.sessions_batch()["read"] == 0
    assert trial.sessions_batch(start_date=date(2024, 3, 1))["duplicate"] == 5  # <- other dates: all is compared
    assert [head(spark, table) for table in (trial.session_events_table, trial.sessions_table)] == heads


def test_what_a_rebuild_removes_or_changes_is_made_again(trial):
    trial.send([act("a", 0), act("b", 20), act("c", 40), act("d", 60, page="/old"), act("e", 0, "bob")])
    trial.sessions_batch()
    assert events_per_session(trial) == {"ada-1": "abcd", "bob-1": "e"}

    trial.send([act("a", 0), act("c", 40), act("d", 60, page="/new"), act("e", 0, "bob")])
    the_17th = date(2024, 3, 17)
    trial.events_batch(mode="rebuild", start_date=the_17th, end_date=the_17th)
    counts = trial.sessions_batch()
    assert events_per_session(trial) == {"ada-1": "a", "ada-2": "cd", "bob-1": "e"}
    assert (counts["written"], counts["deleted"], counts["duplicate"]) == (1, 2, 3)
    assert {row["entry_page"] for row in trial.sessions()} == {None, "/new"}


def test_an_event_is_in_a_session_once_and_as_long_as_a_row_of_it_is_left(spark, trial):
    trial.send([act("a", 0, page="/a"), act("b", 20), act("c", 0, "bob")])
    trial.events_batch()
    send_again(trial, "a", "c")  # <- as a stream does that gets them after its lookback
    counts = trial.sessions_batch()
    assert events_per_session(trial) == {"ada-1": "ab", "bob-1": "c"}
    assert (counts["read"], counts["written"], counts["duplicate"]) == (5, 3, 2)

    the_17th = date(2024, 3, 17)
    trial.events_batch(mode="rebuild", start_date=the_17th, end_date=the_17th)
    counts = trial.sessions_batch()
    assert events_per_session(trial) == {"ada-1": "ab", "bob-1": "c"}
    assert (counts["read"], counts["written"], counts["duplicate"], counts["deleted"]) == (3, 0, 3, 0)

    send_again(trial, "a", "c")
    counts = trial.sessions_batch()
    assert (counts["read"], counts["written"], counts["duplicate"], counts["looked_up"]) == (5, 0, 5, 0)
    spark.sql(f"delete from {trial.events_table} where event_uuid in ('a', 'c')")
    counts = trial.sessions_batch()
    assert events_per_session(trial) == {"ada-1": "b"}
    assert (counts["written"], counts["deleted"]) == (0, 2)


def test_the_row_that_arrived_first_stands_for_an_event_whoever_it_is_of(spark, trial):
    trial.send([act("a", 0, page="/a"), act("b", 20)])
    trial.sessions_batch()
    send_again(trial, "a", arrival="interval -1 day", user="bob")
    trial.sessions_batch()
    assert events_per_session(trial) == {"ada-1": "b", "bob-1": "a"}
    spark.sql(f"delete from {trial.events_table} where user_id = 'bob'")
    counts = trial.sessions_batch()
    assert events_per_session(trial) == {"ada-1": "ab"}
    assert (counts["written"], counts["deleted"]) == (0, 1)


def test_what_is_new_takes_few_spark_jobs_and_nothing_new_takes_none(spark, trial):
    trial.send([act("a", 0), act("b", 0, "bob")])
    trial.sessions_batch()
    trial.send([act("c", 10)], "next.jsonl")
    trial.events_batch()
    before = jobs(spark)
    trial.sessions_batch()
    assert 0 < len(jobs(spark) - before) <= MOST_JOBS
    before = jobs(spark)
    assert trial.sessions_batch()["read"] == 0
    assert jobs(spark) == before


@pytest.mark.single
def test_only_the_last_chunk_of_a_cut_block_is_recomputed(trial):
    trial.send([act(f"{n:02}", 20 * n, "bot") for n in range(10)])
    trial.sessions_batch(max_session_hours=1)
    chunks = {"bot-1": "000102", "bot-2": "030405", "bot-3": "060708", "bot-4": "09"}
    assert events_per_session(trial) == chunks

    trial.send([act("10", 200, "bot")], "next.jsonl")
    counts = trial.sessions_batch(max_session_hours=1)
    assert events_per_session(trial) == chunks | {"bot-4": "0910"}
    assert counts["session_events"] == 2


@pytest.mark.single
def test_late_events_are_quarantined_with_a_reason_and_valid_with_a_longer_lookback(trial):
    trial.send([act("a", 0), act("b", 10)], "arrived=2024-03-18/10/a.jsonl")
    trial.send([act("c", 20)], "arrived=2024-03-18/11/a.jsonl")
    counts = trial.sessions_batch(lookback_days=1)
    assert events_per_session(trial) == {"ada-1": "ab"}
    assert (counts["read"], counts["written"], counts["quarantined_by_reason"]) == (3, 2, {"late_beyond_lookback": 1})
    (quarantined,) = trial.quarantine()
    assert (quarantined["source"], quarantined["reasons"]) == ("session_events", ["late_beyond_lookback"])
    assert (quarantined["raw"], quarantined["arrived_date"]) == (act("c", 20), "2024-03-18")

    trial.sessions_batch(lookback_days=2)
    assert events_per_session(trial) == {"ada-1": "abc"}
    trial.sessions_batch(lookback_days=1)
    assert events_per_session(trial) == {"ada-1": "ab"}
    assert len(trial.quarantine()) == 1  # <- once


@pytest.mark.single
def test_dates_narrow_what_a_run_looks_at(trial):
    trial.send([act("a", 0), act("b", 13 * 60 + 40), act("c", 13 * 60 + 50), act("d", 3 * 24 * 60)])
    trial.sessions_batch(end_date=date(2024, 3, 17))
    assert events_per_session(trial) == {"ada-1": "a", "ada-2": "b"}
    trial.sessions_batch(start_date=date(2024, 3, 18), end_date=date(2024, 3, 18))
    assert events_per_session(trial) == {"ada-1": "a", "ada-2": "bc"}  # <- over midnight
    assert trial.sessions_batch(start_date=date(2024, 3, 19), end_date=date(2024, 3, 19))["read"] == 0
    trial.sessions_batch()
    assert events_per_session(trial) == {"ada-1": "a", "ada-2": "bc", "ada-3": "d"}


def test_deletions_in_delete_files_are_found_by_comparing(spark, trial):
    trial.send([act("a", 0), act("b", 10), act("c", 0, "bob")])
    trial.sessions_batch()
    spark.sql(f"alter table {trial.events_table} set tblproperties ('write.delete.mode' = 'merge-on-read')")
    spark.sql(f"delete from {trial.events_table} where event_uuid = 'a'")
    counts = trial.sessions_batch()
    assert events_per_session(trial) == {"ada-1": "b", "bob-1": "c"}
    assert (counts["read"], counts["deleted"]) == (2, 1)


@pytest.mark.single
def test_expired_snapshots_are_made_up_for_by_comparing(trial):
    trial.send([act("a", 0), act("c", 0, "bob")])
    trial.sessions_batch()
    trial.send([act("b", 10)], "next.jsonl")
    trial.events_batch()
    trial.expire(trial.events_table)
    counts = trial.sessions_batch()
    assert events_per_session(trial) == {"ada-1": "ab", "bob-1": "c"}
    assert (counts["read"], counts["written"], counts["duplicate"]) == (3, 1, 2)


def test_upkeep_of_the_tables_changes_nothing(trial):
    trial.send([act("a", 0), act("c", 0, "bob")])
    trial.sessions_batch()
    for table in (trial.session_events_table, trial.sessions_table):
        trial.rewrite(table)
        trial.expire(table)
    trial.send([act("b", 10)], "next.jsonl")
    counts = trial.sessions_batch()
    assert events_per_session(trial) == {"ada-1": "ab", "bob-1": "c"}
    assert (counts["read"], counts["sessions"]) == (1, 1)  # <- the changes alone, of the one user


def test_without_the_history_of_its_tables_a_run_compares_all_events_and_makes_sessions_anew(trial):
    trial.send([act("a", 0), act("b", 40), act("c", 0, "bob")])
    trial.sessions_batch()
    for table in (trial.session_events_table, trial.sessions_table):
        trial.rewrite(table)
        trial.rewrite(table)
        trial.expire(table)  # <- what is left does not name the run's snapshot
    counts = trial.sessions_batch()
    assert events_per_session(trial) == {"ada-1": "a", "ada-2": "b", "bob-1": "c"}
    assert (counts["read"], counts["duplicate"], counts["rebuilt_sessions"]) == (3, 3, 3)


def test_sessions_are_made_anew_where_a_killed_runs_cannot_be_rolled_back(trial, monkeypatch):
    trial.send([act("a", 0), act("b", 40)])
    trial.sessions_batch()
    trial.send([act("x", 20)], "late.jsonl")
    trial.events_batch()
    with monkeypatch.context() as patch:
        publish = Branch.publish
        patch.setattr(Branch, "publish", lambda branch: publish(branch) if ".sessions_" in branch.table else stop())
        with pytest.raises(KeyboardInterrupt):
            trial.sessions_batch()
    assert [row["event_count"] for row in trial.sessions()] == [3]
    trial.expire(trial.sessions_table)
    counts = trial.sessions_batch(start_date=date(2024, 3, 18))  # <- nothing
    assert (counts["read"], counts["rebuilt_sessions"]) == (0, 2)
    assert events_per_session(trial) == {"ada-1": "a", "ada-2": "b"}
    trial.sessions_batch()
    assert events_per_session(trial) == {"ada-1": "axb"}


def stop():
    raise KeyboardInterrupt


@pytest.mark.single
def test_sessions_of_another_gap_are_an_error_until_the_tables_are_empty(spark, trial):
    trial.send([act("a", 0), act("b", 10)])
    trial.sessions_batch()
    with pytest.raises(errors.TableError, match="holds sessions with gap_seconds 1800, not 60; delete its rows"):
        trial.sessions_batch(gap_seconds=60)
    spark.sql(f"delete from {trial.session_events_table}")
    trial.sessions_batch(gap_seconds=60)
    assert events_per_session(trial) == {"ada-1": "a", "ada-2": "b"}


CLICKS = '{{"user_id": "{}", "event_timestamp": "2024-03-17 10:15:{:02}", "event_type": "click"}}'


def test_clicks_come_in_any_order_and_once(trial):
    later = trial.send([CLICKS.format("ada", 30), CLICKS.format("bob", 0), "x"], "later.jsonl")
    counts = trial.sessions_batch(source="clicks", raw_path=str(later), gap_seconds=10)
    assert (counts["read"], counts["written"], counts["quarantined_by_reason"]) == (3, 2, {"not_a_json_object": 1})

    lines = [CLICKS.format("ada", second) for second in (0, 10, 21, 21)]
    earlier = trial.send([*lines, CLICKS.format("ada", 30)], "earlier.jsonl")
    counts = trial.sessions_batch(source="clicks", raw_path=str(earlier), gap_seconds=10)
    assert (counts["read"], counts["written"], counts["duplicate"], counts["deleted"]) == (5, 3, 2, 0)
    sessions = {row["session_id"]: (row["event_count"], row["duration_seconds"]) for row in trial.sessions()}
    assert sessions == {"ada-1": (2, 10.0), "ada-2": (2, 9.0), "bob-1": (1, 0.0)}
    assert trial.sessions_batch(source="clicks", raw_path=str(earlier), gap_seconds=10)["written"] == 0


@pytest.mark.single
def test_nothing_is_a_run_of_nothing(trial):
    counts = trial.sessions_batch()
    assert counts.pop("quarantined_by_reason") == {}
    assert set(counts.values()) == {0}
    assert trial.sessions() == trial.session_events() == []


@pytest.mark.single
def test_missing_tables_are_named(trial):
    for missing in ("events_table", "session_events_table", "sessions_table"):
        with pytest.raises(errors.TableError, match=r"table .*nowhere does not exist"):
            trial.sessions_batch(**{missing: "nowhere"})


@pytest.mark.single
def test_a_source_needs_its_own_input():
    given = {"sessions_table": Table("s"), "session_events_table": Table("e"), "quarantine_table": Table("q")}
    with pytest.raises(errors.ArgumentError, match="--events_table missing; --source events needs it"):
        sessions_batch.Arguments(**given)
    with pytest.raises(errors.ArgumentError, match="--raw_path is not for --source events"):
        sessions_batch.Arguments(**given, raw_path="raw", events_table=Table("events"))
