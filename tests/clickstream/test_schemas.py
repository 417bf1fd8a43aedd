"""``ddl/tables`` says what ``schemas.py`` says: analysts and jobs see the same columns."""

import pytest

from clickstream import schemas
from clickstream.transforms import activity, events, page_views, visits
from deploy import ddl

TABLES = {table.name: table for table in ddl.tables("s3://lake")}
CONTRACTS = {
    "events": (schemas.EVENTS, schemas.EVENTS_PARTITIONS),
    "session_events": (schemas.SESSION_EVENTS, schemas.SESSION_EVENTS_PARTITIONS),
    "sessions": (schemas.SESSIONS, schemas.SESSIONS_PARTITIONS),
    "clickstream": (schemas.CLICKSTREAM, schemas.CLICKSTREAM_PARTITIONS),
    "page_counts": (schemas.PAGE_COUNTS, schemas.PAGE_COUNTS_PARTITIONS),
    "quarantine": (schemas.QUARANTINE, schemas.QUARANTINE_PARTITIONS),
    "quarantine_replayed": (schemas.REPLAYED, schemas.REPLAYED_PARTITIONS),
}

SOURCES = {
    "quarantine": [events.SOURCE, visits.SOURCE, page_views.SOURCE, activity.SOURCE],
    "quarantine_replayed": [events.SOURCE, visits.SOURCE, page_views.SOURCE],
}
ICEBERG = {"events", "session_events", "sessions", "page_counts"}


def test_every_table_has_a_contract():
    assert set(TABLES) == set(CONTRACTS)


@pytest.mark.parametrize("name", CONTRACTS)
def test_columns_and_their_order(spark, name):
    contract, _ = CONTRACTS[name]
    assert spark.createDataFrame([], TABLES[name].schema).schema == contract


@pytest.mark.parametrize("name", CONTRACTS)
def test_partitions_come_last(name):
    contract, partitions = CONTRACTS[name]
    assert TABLES[name].partitions == partitions
    assert tuple(contract.names[-len(partitions) :]) == partitions


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
    assert table.is_iceberg == (name in ICEBERG)
    codec = {"write_compression": "zstd"} if table.is_iceberg else {"parquet.compression": "ZSTD"}
    assert table.properties.items() >= codec.items()


@pytest.mark.parametrize("name", ["clickstream", "quarantine", "quarantine_replayed"])
def test_partitions_of_plain_tables_are_projected(name):
    table = TABLES[name]
    kinds = {column.name: column.kind for column in table.columns}
    assert table.properties["projection.enabled"] == "true"
    for partition in table.partitions:
        assert table.properties[f"projection.{partition}.type"] == {"date": "date", "string": "enum"}[kinds[partition]]
    if "source" in table.partitions:
        assert table.properties["projection.source.values"].split(",") == SOURCES[name]
