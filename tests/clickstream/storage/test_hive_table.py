"""Plain tables: nothing is seen before it is published, and nothing that is there goes away."""

from pathlib import Path

import pytest
from pyspark.sql import functions as F
from pyspark.sql.types import IntegerType, StructField, StructType

from clickstream import errors
from clickstream.runtime.glue import TEMP_DIR
from clickstream.schemas import Contract
from clickstream.storage import hive_table

TABLE = Contract(StructType([StructField("n", IntegerType()), StructField("day", IntegerType())]), ("day",), ("n",))


def stored(spark, path):
    return sorted(row.n for row in hive_table.read(spark, path, TABLE.columns).collect())


def test_a_table_that_nobody_has_written_is_empty(spark, tmp_path):
    assert stored(spark, str(tmp_path / "nowhere")) == []


@pytest.mark.parametrize("name", ["table", "table/", "table/.", "other/../table", "a table/100%"])
def test_rows_are_seen_once_published(spark, tmp_path, name):
    path = f"{tmp_path}/{name}"
    for number in (1, 2):
        with hive_table.open_table(spark, path, TABLE) as table:
            table.append(spark.createDataFrame([(number, 17)], TABLE.columns))
            assert stored(spark, path) == list(range(1, number))
            table.publish()
        assert stored(spark, path) == list(range(1, number + 1))  # <- beside what was there
    with hive_table.open_table(spark, path, TABLE) as table:
        assert [row.n for row in table.stored(F.col("n") > 1).collect()] == [2]


def test_nothing_is_left_of_what_was_not_published(spark, tmp_path):
    path = tmp_path / "table"
    with hive_table.open_table(spark, f"{path}/", TABLE) as table:
        table.append(spark.createDataFrame([(1, 17)], TABLE.columns))
    assert stored(spark, str(path)) == []
    assert not path.exists()
    assert not list(Path(spark.conf.get(TEMP_DIR)).rglob("*.parquet"))


def test_where_no_table_can_be_is_named(spark, tmp_path):
    (tmp_path / "file").write_text("")
    places = {
        str(tmp_path / "file"): "file is a file, not a folder",
        "nowhere://lake/table": r'nowhere://lake/table: No FileSystem for scheme "nowhere"',
    }
    for path, sentence in places.items():
        with pytest.raises(errors.InputError, match=sentence), hive_table.open_table(spark, path, TABLE):
            pass
