"""Upkeep: files, snapshots and orphans go, rows stay."""

import os
import time
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from py4j.protocol import Py4JJavaError
from pyspark.sql import SparkSession
from trial import event

import maintain
from clickstream import errors
from clickstream.runtime.arguments import Table, parse_arguments
from clickstream.storage import upkeep

DAY = 86_400


def load(trial, *uuids):
    """Load each event in a run of its own, so that its partition gets a file more."""
    for uuid in uuids:
        trial.send([event(uuid)], f"{uuid}.jsonl")
        trial.events_batch()


def data_files(trial):
    return set(Path(trial.events_path).rglob("*.parquet"))


@pytest.mark.slow
def test_small_files_are_compacted_once(trial):
    load(trial, "a", "b", "c")
    rows, files = trial.events(), data_files(trial)
    assert trial.maintain("events", min_input_files=4)["events"]["rewritten_files"] == 0
    counts = trial.maintain("events", min_input_files=3)
    assert counts == {
        "events": {
            "rewritten_files": 3,
            "rewritten_bytes": sum(path.stat().st_size for path in files),
            "added_files": 1,
            "expired_snapshots": 0,
            "deleted_files": 0,
            "orphan_files": 0,
        }
    }
    assert trial.events() == rows
    assert len(data_files(trial) - files) == 1
    assert set(trial.maintain("events", min_input_files=2)["events"].values()) == {0}  # <- nothing is left to do


@pytest.mark.slow
def test_what_is_old_goes_and_what_a_run_may_need_stays(trial, monkeypatch):
    load(trial, "a", "b")
    trial.rewrite(trial.events_table)
    rows, files = trial.events(), data_files(trial)
    orphan = min(files).with_name("orphan.parquet")
    orphan.write_bytes(b"of a killed run")
    assert set(trial.maintain("events")["events"].values()) == {0}
    os.utime(orphan, (time.time() - 3 * DAY - 60,) * 2)
    assert trial.maintain("events", orphan_retention_days=4)["events"]["orphan_files"] == 0
    assert trial.maintain("events", orphan_retention_days=1)["events"]["orphan_files"] == 1
    assert data_files(trial) == files

    clock = SimpleNamespace(now=lambda zone: datetime.now(zone) + timedelta(days=5, seconds=1))
    monkeypatch.setattr(upkeep, "datetime", clock)
    assert (
        trial.maintain("events", snapshot_retention_days=6, orphan_retention_days=7)["events"]["expired_snapshots"] == 0
    )
    counts = trial.maintain("events", orphan_retention_days=7)["events"]
    assert (counts["expired_snapshots"], counts["deleted_files"]) == (3, 2)  # <- one is of the empty table
    assert len(data_files(trial)) == 1
    assert trial.events() == rows


def test_a_deleted_row_leaves_the_files(spark, trial):
    trial.send([event(uuid) for uuid in "abcd"])
    trial.events_batch()
    spark.sql(f"alter table {trial.events_table} set tblproperties ('write.delete.mode' = 'merge-on-read')")
    spark.sql(f"delete from {trial.events_table} where event_uuid = 'a'")
    files = data_files(trial)
    assert trial.maintain("events")["events"]["rewritten_files"] == 0  # <- a quarter of its rows
    assert trial.maintain("events", min_input_files=1)["events"]["rewritten_files"] == 1
    (rewritten,) = data_files(trial) - files
    assert sorted(row.event_uuid for row in spark.read.parquet(str(rewritten)).collect()) == ["b", "c", "d"]


def test_tables_without_rows_are_left_as_they_are(trial):
    counts = trial.maintain("events", "session_events", "sessions", "quarantine")
    assert set(counts) == {"events", "session_events", "sessions", "quarantine"}
    assert {count for of_table in counts.values() for count in of_table.values()} == {0}


def test_a_missing_table_is_named_before_anything_is_done(trial):
    load(trial, "a", "b")
    files = data_files(trial)
    with pytest.raises(errors.TableError, match=r"table .*nowhere does not exist"):
        trial.maintain("events", sessions_table=Table("nowhere"), min_input_files=2)
    assert data_files(trial) == files


@pytest.mark.parametrize("lost", [1, 3])
def test_a_lost_race_is_run_again_and_at_last_an_error(spark, trial, monkeypatch, lost):
    load(trial, "a", "b")
    sql, left = SparkSession.sql, [None] * lost
    said = spark._jvm.java.lang.RuntimeException("Cannot commit rewrite because of a ValidationException or …")  # noqa: SLF001

    def lose(spark, query, *arguments, **options):
        if "rewrite_data_files" in query and left:
            left.pop()
            raise Py4JJavaError("An error occurred", said)
        return sql(spark, query, *arguments, **options)

    monkeypatch.setattr(SparkSession, "sql", lose)
    if lost == 1:
        assert trial.maintain("events", min_input_files=2)["events"]["rewritten_files"] == 2
        return
    with pytest.raises(errors.ConcurrentCommitError, match="was written to by others while"):
        trial.maintain("events", min_input_files=2)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ([], "no table given; give --events_table, "),
        (
            ["--events_table", "e", "--orphan_retention_days", "0"],
            "--orphan_retention_days must be a whole number from 1",
        ),
        (["--events_table", "e", "--snapshot_retention_days", "3651"], "must be a whole number from 1 to 3650"),
        (["--events_table", "e", "--small_file_mb", "512"], "--small_file_mb must be a whole number from 1 to 511"),
    ],
)
def test_a_wrong_argument_is_a_sentence(given, sentence):
    with pytest.raises(errors.ArgumentError, match=sentence):
        parse_arguments(maintain.Arguments, ["maintain", *given])
