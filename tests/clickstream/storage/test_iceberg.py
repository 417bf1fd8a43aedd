"""A branch is seen by nobody until it is published, and gone afterwards."""

from datetime import date

import pytest
from pyspark.sql import functions as F

from clickstream import errors, schemas
from clickstream.storage import hive_table, iceberg

BRANCHES = "select name from {table}.refs where type = 'BRANCH'"


def rows(spark, *uuids):
    unknown = [
        F.lit(None).cast(field.dataType).alias(field.name) for field in schemas.EVENTS if field.name != "event_uuid"
    ]
    frame = spark.createDataFrame([(uuid,) for uuid in uuids], "event_uuid string").select("event_uuid", *unknown)
    of_a_day = frame.withColumn("event_type", F.lit("a")).withColumn("created_date", F.lit(date(2024, 3, 17)))
    return of_a_day.select(*schemas.EVENTS.names)


def uuids(trial):
    return sorted(row["event_uuid"] for row in trial.events())


def test_a_branch_is_seen_once_published(spark, trial):
    with iceberg.branch(spark, trial.events_table, schemas.EVENTS) as branch:
        branch.append(rows(spark, "a", "b"))
        assert uuids(trial) == []
        branch.publish()
    assert uuids(trial) == ["a", "b"]
    names = [row.name for row in spark.sql(BRANCHES.format(table=branch.table)).collect()]
    assert names == ["main"]


def test_a_branch_is_gone_after_an_error(spark, trial):
    def fail():
        with iceberg.branch(spark, trial.events_table, schemas.EVENTS) as branch:
            branch.append(rows(spark, "a"))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert uuids(trial) == []
    names = [row.name for row in spark.sql(BRANCHES.format(table=trial.events_table)).collect()]
    assert set(names) <= {"main"}


@pytest.mark.parametrize("stored", [[], ["first"]], ids=["into_an_empty_table", "into_a_table_with_rows"])
def test_another_writers_commit_meanwhile_wins(spark, trial, stored):
    if stored:
        write(spark, trial, *stored)
    with iceberg.branch(spark, trial.events_table, schemas.EVENTS) as slow:
        write(spark, trial, "fast")
        slow.append(rows(spark, "slow"))
        with pytest.raises(errors.ConcurrentCommitError, match="was written to by another run meanwhile"):
            slow.publish()
    assert uuids(trial) == ["fast", *stored]


def write(spark, trial, *names):
    with iceberg.branch(spark, trial.events_table, schemas.EVENTS) as branch:
        branch.append(rows(spark, *names))
        branch.publish()


def test_rows_are_deleted_by_what_the_table_itself_holds(spark, trial):
    write(spark, trial, "a", "b", "c")
    with iceberg.branch(spark, trial.events_table, schemas.EVENTS) as branch:
        others = branch.published().where("event_uuid <> 'b'").select("event_uuid", "user_id")  # user_id is null
        with hive_table.spooled(others, trial.quarantine_table) as gone:
            branch.delete(gone)
        assert uuids(trial) == ["a", "b", "c"]
        branch.publish()
    assert uuids(trial) == ["b"]


def test_a_missing_table_is_named(spark):
    with pytest.raises(errors.TableError, match=r"table lake\.clickstream\.nowhere does not exist"):
        open_branch(spark, "nowhere")


def test_another_schema_is_spelled_out(spark, trial):
    spark.sql(f"alter table {trial.events_table} add column country string")
    spark.sql(f"alter table {trial.events_table} drop column user_id")
    with pytest.raises(errors.TableError, match="lacks user_id string and has country string"):
        open_branch(spark, trial.events_table)


def open_branch(spark, table):
    with iceberg.branch(spark, table, schemas.EVENTS):
        pass
