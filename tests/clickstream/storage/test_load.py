"""The write protocol: what is published, in which order, and what a failed audit leaves."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from clickstream import errors
from clickstream.runtime.glue import TEMP_DIR
from clickstream.storage import quarantine
from clickstream.storage.load import open_load

STORY = """
    select *, 'file' as origin, timestamp '2024-03-17 11:00:00' as arrived_at from values
        ('good', null, false, 1), ('bad', array('x', 'y'), false, 1), ('early', null, true, 1), ('good', null, false, 0)
    as lines (raw, reasons, is_out_of_range, inserted)
"""
COUNTS = {"written": "sum(inserted)", "duplicate": "count(1) - sum(inserted)"}


class Published:
    """A table that says when it was published."""

    def __init__(self, journal):
        self.journal = journal

    def publish(self):
        self.journal.append("table")


@pytest.fixture
def journal(monkeypatch):
    done, add = [], quarantine.add
    monkeypatch.setattr(quarantine, "add", lambda *given: done.append("quarantine") or add(*given))
    return done


def test_the_table_is_published_before_the_quarantine_and_staging_is_emptied(spark, trial, journal):
    with open_load(spark, "events", trial.quarantine_table) as load:
        new = load.materialize(spark.sql(STORY))
        assert [row.raw for row in new.valid.collect()] == ["good", "good"]
        assert new.first_arrival == new.last_arrival == datetime(2024, 3, 17, 11, tzinfo=UTC)
        load.staged(load.counted(new.valid, COUNTS))
        counts = load.publish(Published(journal))
    assert journal == ["table", "quarantine"]
    assert (counts.read, counts.written, counts.duplicate, counts.quarantined, counts.skipped_dates) == (4, 1, 1, 1, 1)
    assert counts.quarantined_by_reason == {"x": 1, "y": 1}
    assert [(row["raw"], row["reasons"]) for row in trial.quarantine()] == [("bad", ["x", "y"])]
    assert not list(Path(spark.conf.get(TEMP_DIR)).rglob("*.parquet"))


def test_what_is_observed_is_quarantined_without_being_materialized_before(spark, trial, journal):
    with open_load(spark, "events", trial.quarantine_table) as load:
        load.staged(load.counted(load.observe(spark.sql(STORY)), COUNTS))
        load.publish(Published(journal))
    assert [row["raw"] for row in trial.quarantine()] == ["bad"]


def test_an_audit_that_fails_publishes_nothing(spark, trial, journal):
    with open_load(spark, "events", trial.quarantine_table) as load:
        new = load.materialize(spark.sql(STORY))
        load.staged(load.counted(new.valid, COUNTS))
        with pytest.raises(errors.QuarantineRatioError, match="1 of 4 rows break rules"):
            load.publish(Published(journal), max_quarantined_ratio=0.24)
    assert journal == []
    assert trial.quarantine() == []


def test_nothing_to_quarantine_leaves_the_quarantine_alone(spark, trial, journal):
    with open_load(spark, "events", trial.quarantine_table) as load:
        new = load.materialize(spark.sql(STORY).where("reasons is null"))
        load.staged(load.counted(new.valid, COUNTS))
        load.publish(Published(journal))
    assert journal == ["table"]


def test_a_quarantine_of_another_schema_is_named_before_anything_is_read(spark, trial):
    with (
        pytest.raises(errors.TableError, match="has another schema"),
        open_load(spark, "events", trial.events_table),
    ):
        pass
