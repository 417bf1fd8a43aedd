"""Athena's DDL as Spark takes it."""

from deploy import ddl

COLUMNS = """
    at timestamp COMMENT 'When',
    also array<timestamp> COMMENT 'When else',
    timestamp_text string COMMENT 'A text'
"""
ICEBERG = f"""
CREATE TABLE visits ({COLUMNS}, day date COMMENT 'Day of at')
PARTITIONED BY (day) LOCATION 's3://lake/visits/' TBLPROPERTIES ('table_type' = 'ICEBERG')
"""
PLAIN = f"""
CREATE EXTERNAL TABLE visits ({COLUMNS}) PARTITIONED BY (day date COMMENT 'Day of at')
STORED AS PARQUET LOCATION 's3://lake/visits/' TBLPROPERTIES ('parquet.compression' = 'ZSTD')
"""


def test_a_timestamp_of_an_iceberg_table_has_no_zone():
    table = ddl.read(ICEBERG)
    assert table.schema == "at timestamp_ntz, also array<timestamp_ntz>, timestamp_text string, day date"
    assert ddl.spark_create(table) == (
        "create table if not exists visits (at timestamp_ntz comment 'When',"
        " also array<timestamp_ntz> comment 'When else', timestamp_text string comment 'A text',"
        " day date comment 'Day of at') using iceberg partitioned by (day) location 's3://lake/visits/'"
    )


def test_a_timestamp_of_a_plain_table_is_sparks():
    table = ddl.read(PLAIN)
    assert table.schema == "at timestamp, also array<timestamp>, timestamp_text string, day date"


def test_the_catalog_has_athenas_types_of_both():
    for sql in (ICEBERG, PLAIN):
        kinds = [column.kind for column in ddl.read(sql).columns]
        assert kinds == ["timestamp", "array<timestamp>", "string", "date"]


def test_the_quarantine_is_an_iceberg_table():
    (table,) = [table for table in ddl.tables("s3://lake") if table.name == "quarantine"]
    assert table.is_iceberg
    assert table.partitions == ("source", "arrived_date")
    assert "replayed_at timestamp_ntz" in table.schema


def test_days_take_the_places_of_the_first_and_the_last_day_of_a_query():
    query = "day BETWEEN DATE '{}' AND DATE '{}' OR DATE '{}' = day"
    put = ddl.with_days(query.format("2024-03-04", "2024-03-31", "2024-03-04"), "2001-01-01", "2001-02-03")
    assert put == query.format("2001-01-01", "2001-02-03", "2001-01-01")


def test_the_only_day_of_a_query_is_its_first():
    assert ddl.with_days("day >= DATE '2024-03-04'", "2001-01-01", "2001-02-03") == "day >= DATE '2001-01-01'"
