"""A branch is seen by nobody until it is published, and gone afterwards."""

from datetime import UTC, date, datetime

import pytest
from pyspark.sql import functions as F

from clickstream import errors, schemas
from clickstream.storage import iceberg, staging
from clickstream.transforms import times

BRANCHES = "select name from {table}.refs where type = 'BRANCH'"


def rows(spark, *uuids):
    unknown = [F.lit(None).cast(column.dataType).alias(column.name) for column in schemas.EVENTS.rows[1:]]
    frame = spark.createDataFrame([(uuid,) for uuid in uuids], "event_uuid string").select("event_uuid", *unknown)
    return frame.withColumns({"event_type": F.lit("a"), "created_date": F.lit(date(2024, 3, 17))})


def uuids(trial):
    return sorted(row["event_uuid"] for row in trial.events())


def test_a_branch_is_seen_once_published(spark, trial):
    with iceberg.open_branch(spark, trial.events_table, schemas.EVENTS) as branch:
        branch.append(rows(spark, "a", "b"))
        assert uuids(trial) == []
        branch.publish()
    assert uuids(trial) == ["a", "b"]
    names = [row.name for row in spark.sql(BRANCHES.format(table=branch.table)).collect()]
    assert names == ["main"]


def test_a_branch_is_gone_after_an_error(spark, trial):
    def fail():
        with iceberg.open_branch(spark, trial.events_table, schemas.EVENTS) as branch:
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
    with iceberg.open_branch(spark, trial.events_table, schemas.EVENTS) as slow:
        write(spark, trial, "fast")
        with pytest.raises(errors.ConcurrentCommitError, match="was written to by another run meanwhile"):
            write_on(slow, rows(spark, "slow"))
    assert uuids(trial) == ["fast", *stored]


def write(spark, trial, *names):
    with iceberg.open_branch(spark, trial.events_table, schemas.EVENTS) as branch:
        write_on(branch, rows(spark, *names))


def write_on(branch, new):
    branch.append(new)
    branch.publish()


def test_rows_are_deleted_by_what_the_table_itself_holds(spark, trial):
    write(spark, trial, "a", "b", "c")
    with iceberg.open_branch(spark, trial.events_table, schemas.EVENTS) as branch:
        others = branch.stored(F.col("event_uuid") != "b").select("event_uuid", "user_id")  # user_id is null
        branch.delete(staging.materialize(others, str(trial.folder / "others")))
        assert uuids(trial) == ["a", "b", "c"]
        branch.publish()
    assert uuids(trial) == ["b"]


def test_a_missing_table_is_named(spark):
    with pytest.raises(errors.TableError, match=r"table lake\.clickstream\.nowhere does not exist"):
        open_branch(spark, "nowhere")


def test_another_schema_is_spelled_out(spark, trial):
    spark.sql(f"alter table {trial.events_table} add column nation string")
    spark.sql(f"alter table {trial.events_table} drop column user_id")
    with pytest.raises(errors.TableError, match="lacks user_id string and has nation string"):
        open_branch(spark, trial.events_table)


def test_a_column_that_the_code_does_not_know_is_left_as_it_is(spark, trial):
    write(spark, trial, "a", "b")
    spark.sql(f"alter table {trial.events_table} add columns (from_a_later_commit string)")
    spark.sql(f"update {trial.events_table} set from_a_later_commit = 'kept'")
    with iceberg.open_branch(spark, trial.events_table, schemas.EVENTS) as branch:
        stored = branch.stored()
        assert stored.columns == schemas.EVENTS.columns.names
        branch.delete(staging.materialize(stored.where("event_uuid = 'a'"), str(trial.folder / "a")))
        branch.append(rows(spark, "c"))
        assert branch.appended().columns == schemas.EVENTS.columns.names
        branch.publish()
    assert iceberg.read(spark, trial.events_table, schemas.EVENTS).columns == schemas.EVENTS.columns.names
    later = spark.table(trial.events_table).select("event_uuid", "from_a_later_commit")
    assert sorted(map(tuple, later.collect())) == [("b", "kept"), ("c", None)]


def open_branch(spark, table):
    with iceberg.open_branch(spark, table, schemas.EVENTS):
        pass


def test_nothing_written_is_nothing_committed(spark, trial):
    write(spark, trial, "a")
    before = iceberg.current_snapshot(spark, trial.events_table)
    with iceberg.open_branch(spark, trial.events_table, schemas.EVENTS) as branch:
        branch.append(rows(spark))  # <- none
        branch.publish()
    assert iceberg.current_snapshot(spark, trial.events_table) == before


def test_a_condition_on_a_time_reaches_the_files(spark, trial):
    write(spark, trial, "a")
    noon = times.without_zone(datetime(2024, 3, 17, 12, tzinfo=UTC))
    frame = iceberg.read(spark, trial.events_table, schemas.EVENTS, F.col("arrived_at") >= noon)
    plan = frame._jdf.queryExecution().executedPlan().toString()  # noqa: SLF001
    assert "arrived_at >= 1710676800000000" in plan.partition("filters=")[2]


def test_times_come_back_as_the_instants_that_went_in(spark, trial):
    at = "2024-03-17 23:59:59.999999"
    row = rows(spark, "a").withColumn("arrived_at", F.lit(at).cast("timestamp"))
    with iceberg.open_branch(spark, trial.events_table, schemas.EVENTS) as branch:
        branch.append(row)
        assert branch.appended().dtypes == row.dtypes
        branch.publish()
    (found,) = (
        iceberg.read(spark, trial.events_table, schemas.EVENTS).selectExpr("cast(arrived_at as string)").collect()
    )
    assert found[0] == at


def test_the_latest_commit_is_found_below_compaction_and_rolled_back_to(spark, trial):
    for run in ("1", "2"):
        with iceberg.open_branch(spark, trial.events_table, schemas.EVENTS, {"run": run}) as branch:
            branch.append(rows(spark, run))
            branch.publish()
    latest = iceberg.latest_commit(spark, trial.events_table)
    assert (latest.properties, latest.is_current) == ({"run": "2"}, True)
    name = trial.events_table
    spark.sql(
        f"call lake.system.rewrite_data_files(table => '{name}', options => map('rewrite-all', 'true'))"
    ).collect()
    assert iceberg.latest_commit(spark, name) == latest
    write(spark, trial, "by another")
    assert not iceberg.latest_commit(spark, name).is_current

    assert iceberg.rollback_to(spark, name, {"run": "1"})
    assert uuids(trial) == ["1"]
    assert not iceberg.rollback_to(spark, name, {"run": "3"})


def test_the_latest_commit_outlives_its_snapshot(spark, trial):
    with iceberg.open_branch(spark, trial.events_table, schemas.EVENTS, {"run": "1"}) as branch:
        write_on(branch, rows(spark, "a"))
    latest = iceberg.latest_commit(spark, trial.events_table)
    trial.rewrite(trial.events_table)
    trial.expire(trial.events_table)
    assert not iceberg.rollback_to(spark, trial.events_table, {"run": "1"})  # <- it has expired
    assert iceberg.latest_commit(spark, trial.events_table) == latest
    trial.rewrite(trial.events_table)
    trial.expire(trial.events_table)
    latest = iceberg.latest_commit(spark, trial.events_table)  # <- what came between has expired, too
    assert (latest.properties, latest.is_current) == ({"run": "1"}, False)


def test_expiry_takes_nothing_of_an_open_branch(spark, trial):
    write(spark, trial, "a")
    with iceberg.open_branch(spark, trial.events_table, schemas.EVENTS) as branch:
        branch.append(rows(spark, "b"))
        branch.append(rows(spark))  # <- none; alone it would not be published
        trial.expire(trial.events_table)
        assert [row.event_uuid for row in branch.appended().collect()] == ["b"]
        branch.publish()
    assert uuids(trial) == ["a", "b"]
