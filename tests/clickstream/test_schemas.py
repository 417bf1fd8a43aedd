"""``ddl/tables`` says what ``schemas.py`` says: analysts and jobs see the same columns."""

from typing import get_args

import pytest

from clickstream import schemas
from clickstream.validation import Source
from deploy import ddl

TABLES = {table.name: table for table in ddl.tables("s3://lake")}
CONTRACTS = {
    "events": schemas.EVENTS,
    "session_events": schemas.SESSION_EVENTS,
    "sessions": schemas.SESSIONS,
    "clickstream": schemas.CLICKSTREAM,
    "page_counts": schemas.PAGE_COUNTS,
    "quarantine": schemas.QUARANTINE,
}
PLAIN = {"clickstream"}


def test_every_table_has_a_contract():
    assert set(TABLES) == set(CONTRACTS)


@pytest.mark.parametrize("name", CONTRACTS)
def test_columns_and_their_order(spark, name):
    assert spark.createDataFrame([], TABLES[name].schema).schema == CONTRACTS[name].columns


@pytest.mark.parametrize("name", CONTRACTS)
def test_partitions_come_last(name):
    contract = CONTRACTS[name]
    assert TABLES[name].partitions == contract.partitions
    assert tuple(contract.names[-len(contract.partitions) :]) == contract.partitions


@pytest.mark.parametrize("name", CONTRACTS)
def test_every_column_is_explained(name):
    assert [column.name for column in TABLES[name].columns if not column.comment.strip()] == []


@pytest.mark.parametrize("name", CONTRACTS)
def test_the_header_says_what_it_is_and_how_to_use_it(name):
    header = [
        line for line in (ddl.FOLDER / "tables" / f"{name}.sql").read_text().splitlines() if line.startswith("--")
    ]
    for opening in ("-- One row: ", "-- Written by ", "-- Parameters: ${lake}", "-- Usage"):
        assert any(line.startswith(opening) for line in header), opening
    assert any(name in line and line.strip("- ").startswith("from") for line in header), "a usage of this very table"


@pytest.mark.parametrize("name", CONTRACTS)
def test_it_lies_in_the_lake_as_zstd(name):
    table = TABLES[name]
    assert table.location == f"s3://lake/{name}/"
    assert table.is_iceberg == (name not in PLAIN)
    codec = {"write_compression": "zstd"} if table.is_iceberg else {"parquet.compression": "ZSTD"}
    assert table.properties.items() >= codec.items()


@pytest.mark.parametrize("name", PLAIN)
def test_partitions_of_plain_tables_are_projected(name):
    table = TABLES[name]
    kinds = {column.name: column.kind for column in table.columns}
    assert table.properties["projection.enabled"] == "true"
    for partition in table.partitions:
        assert table.properties[f"projection.{partition}.type"] == kinds[partition] == "date"


def test_the_quarantine_names_every_source():
    (column,) = [column for column in TABLES["quarantine"].columns if column.name == "source"]
    assert all(source in column.comment for source in get_args(Source))
