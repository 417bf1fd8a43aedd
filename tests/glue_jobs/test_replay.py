"""Quarantined rows come back once the rules that they broke were fixed; here, the longest uuid that there may be."""

from datetime import date
from typing import get_args

import pytest
from pyspark.sql import functions as F
from trial import event, visit

import replay
from clickstream import errors
from clickstream.runtime.arguments import Folder, Table
from clickstream.storage import quarantine
from clickstream.transforms import events, times
from clickstream.validation import Source

FIRST_DAY, SECOND_DAY = "arrived=2024-03-18/10/a.json", "arrived=2024-03-19/10/a.json"


def uuids(trial):
    return sorted(row["event_uuid"] for row in trial.events())


def still_open(spark, trial, source="events"):
    rows = quarantine.open_rows(spark, trial.quarantine_table, source, F.lit(True))
    return sorted(row.raw for row in rows.collect())


def test_valid_rows_are_loaded_once_and_the_others_stay(spark, trial, monkeypatch):
    long, longer = event("eleven-long"), event("eleven-more")
    broken = event("eleven-also", "/")
    with monkeypatch.context() as yesterday:
        yesterday.setattr(events, "LONGEST_UUID", 10)
        trial.send([event("short"), long, long, longer, broken, "x"], FIRST_DAY)
        assert trial.events_batch()["quarantined"] == 5
    before = trial.quarantine()

    counts = trial.replay("events")
    assert (counts["read"], counts["written"], counts["duplicate"], counts["quarantined"]) == (5, 2, 1, 2)
    assert counts["quarantined_by_reason"] == {"event_type_invalid": 1, "not_a_json_object": 1}
    assert uuids(trial) == ["eleven-long", "eleven-more", "short"]
    assert {row["arrived_at"] for row in trial.events()} == {"2024-03-18T10:00:00Z"}  # <- as if it had been right
    assert still_open(spark, trial) == sorted([broken, "x"])
    marked = [row | {"replayed_at": None} for row in trial.quarantine()]
    assert marked == before  # <- what was quarantined, and why, stays on record

    rows = trial.events()
    trial.replay("events")
    assert trial.events() == rows
    assert still_open(spark, trial) == sorted([broken, "x"])
    assert sum(row["replayed_at"] is not None for row in trial.quarantine()) == 3


def test_reason_and_dates_narrow_what_is_taken(spark, trial, monkeypatch):
    with monkeypatch.context() as yesterday:
        yesterday.setattr(events, "LONGEST_UUID", 10)
        yesterday.setattr(times, "EARLIEST", 1_710_000_000_000)
        trial.send([event("first-day-1"), event("old", at=1_700_000_000_000)], FIRST_DAY)
        trial.send([event("second-day-1")], SECOND_DAY)
        trial.events_batch()
    assert uuids(trial) == []

    trial.replay("events", reason="event_uuid_too_long", start_date=date(2024, 3, 19))
    assert uuids(trial) == ["second-day-1"]
    trial.replay("events", reason="event_uuid_too_long", end_date=date(2024, 3, 17))
    assert uuids(trial) == ["second-day-1"]
    trial.replay("events", reason="event_uuid_too_long", end_date=date(2024, 3, 18))
    assert uuids(trial) == ["first-day-1", "second-day-1"]
    assert still_open(spark, trial) == [event("old", at=1_700_000_000_000)]


def test_each_source_has_its_own_rows(spark, trial, monkeypatch):
    old = visit("ada", 1_700_000_000)
    with monkeypatch.context() as yesterday:
        yesterday.setattr(times, "EARLIEST", 1_710_000_000_000)
        trial.clickstream_batch(raw_path=str(trial.send([old], "visits.json")))
        trial.events_batch(raw_path=str(trial.send([event("old", at=1_700_000_000)], "events.json")))

    trial.replay("clickstream")
    assert [row["event_time"] for row in trial.clickstream()] == ["2023-11-14T22:13:20Z"]
    assert still_open(spark, trial, "clickstream") == []
    assert len(still_open(spark, trial, "events")) == 1
    assert trial.events() == []


def test_nothing_in_quarantine_is_a_run_of_nothing(trial):
    trial.send([event("a")])
    trial.events_batch()
    trial.replay("events")
    assert uuids(trial) == ["a"]


def test_every_source_of_the_quarantine_is_replayed_or_says_why_not():
    assert set(get_args(Source)) == {*replay.NEEDS, *replay.NOT_REPLAYED}
    for source, reason in replay.NOT_REPLAYED.items():
        with pytest.raises(errors.ArgumentError, match=f"^--source {source} is not replayed: {reason}$"):
            replay.Arguments(Table("quarantine"), source)


def test_what_sessions_batch_quarantined_it_takes_itself(trial, monkeypatch):
    given = {"source": "visits", "raw_path": str(trial.send([visit("ada"), visit("bob", 1_700_000_000)], FIRST_DAY))}
    with monkeypatch.context() as yesterday:
        yesterday.setattr(times, "EARLIEST", 1_710_000_000_000)
        trial.sessions_batch(**given)
    assert [row["session_id"] for row in trial.sessions()] == ["ada-1"]
    trial.sessions_batch(**given)  # <- late: more than a week
    assert [row["session_id"] for row in trial.sessions()] == ["ada-1"]
    trial.sessions_batch(**given, lookback_days=365)
    assert {row["session_id"] for row in trial.sessions()} == {"ada-1", "bob-1"}


def test_a_reason_is_one_of_the_sources_rules(trial):
    with pytest.raises(errors.ArgumentError, match=r"--reason must be one of empty, .*, not 'user_id_missing'"):
        trial.replay("events", reason="user_id_missing")


@pytest.mark.parametrize("source", replay.NEEDS)
def test_the_target_of_the_source_is_needed(source):
    with pytest.raises(errors.ArgumentError, match=f"missing; --source {source} needs it"):
        replay.Arguments(Table("quarantine"), source)


@pytest.mark.parametrize(("source", "other"), [("events", "clickstream_path"), ("clickstream", "events_table")])
def test_the_target_of_the_other_source_is_an_error(source, other):
    with pytest.raises(errors.ArgumentError, match=f"--{other} is not for --source {source}"):
        replay.Arguments(
            Table("quarantine"), source, events_table=Table("events"), clickstream_path=Folder("clickstream")
        )
