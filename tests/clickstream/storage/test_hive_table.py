"""Plain tables: nothing is seen before it is published, and nothing that is there goes away."""

from contextlib import nullcontext

import pytest
from pyspark.sql.types import IntegerType, StructField, StructType

from clickstream import errors
from clickstream.storage import hive_table

SCHEMA = StructType([StructField("n", IntegerType()), StructField("day", IntegerType())])


def stored(spark, path):
    return sorted(row.n for row in hive_table.read(spark, path, SCHEMA).collect())


def test_a_table_that_nobody_has_written_is_empty(spark, tmp_path):
    assert stored(spark, str(tmp_path / "nowhere")) == []


@pytest.mark.parametrize("name", ["table", "table/", "table/.", "other/../table", "a table/100%"])
def test_rows_are_seen_once_published(spark, tmp_path, name):
    path = f"{tmp_path}/{name}"
    for number in (1, 2):
        rows = spark.createDataFrame([(number, 17)], SCHEMA)
        with hive_table.staged(rows, path, ["day"], ["n"]) as staged:
            assert stored(spark, path) == list(range(1, number))
            staged.publish()
        assert stored(spark, path) == list(range(1, number + 1))  # <- beside what was there


def test_nothing_is_left_of_what_was_not_published(spark, tmp_path):
    path = tmp_path / "table"
    with hive_table.staged(spark.createDataFrame([(1, 17)], SCHEMA), f"{path}/", ["day"], ["n"]):
        pass
    assert stored(spark, str(path)) == []
    assert not [file for file in path.rglob("*") if file.is_file()]


def test_where_no_table_can_be_is_named(spark, tmp_path):
    (tmp_path / "file").write_text("")
    rows = spark.createDataFrame([(1, 17)], SCHEMA)
    with pytest.raises(errors.InputError, match="file is a file, not a folder"):
        hive_table.append(rows, str(tmp_path / "file"), ["day"])
    with pytest.raises(errors.InputError, match=r'nowhere://lake/table.*: No FileSystem for scheme "nowhere"'):
        hive_table.append(rows, "nowhere://lake/table", ["day"])


@pytest.mark.parametrize("fails", [False, True])
def test_spooled_rows_come_back_and_leave_nothing(spark, tmp_path, fails):
    rows = spark.createDataFrame([(1, 17), (2, None)], SCHEMA)
    with (
        pytest.raises(ZeroDivisionError) if fails else nullcontext(),
        hive_table.spooled(rows, str(tmp_path)) as spooled,
    ):
        assert sorted(spooled.collect()) == sorted(rows.collect())
        assert stored(spark, str(tmp_path)) == []  # <- no reader sees them
        assert 1 / (not fails)
    assert not [file for file in tmp_path.rglob("*") if file.is_file()]
