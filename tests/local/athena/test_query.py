"""What the engine answers over a lake, and that it changes nothing there."""

import json

import pytest

from clickstream.errors import TableError
from local.athena import catalogs, client, formats, query, server

pytestmark = pytest.mark.single


@pytest.fixture
def put(athena, lake_of_run):
    """Give what sends a statement to the server past our own checks."""
    athena("select 1")
    return lambda sql: client.ask(server.find(lake_of_run), sql)


@pytest.fixture(scope="module", autouse=True)
def events(spark):
    """Give three events to the table."""
    spark.sql("""
        insert into events (event_uuid, event_name, created_ts, payload, event_type, created_date) select * from values
            ('c', 'login', null, '{}', 'login', date '2024-03-18'),
            ('a', 'order:new', timestamp_ntz '2024-03-17 10:15:30.123456', '{"n": 1}', 'order', date '2024-03-17'),
            ('b', 'order:new', timestamp_ntz '2024-03-17 23:59:59', '{"n": 2}', 'order', date '2024-03-17')
        order by 5, 6
    """)
    yield
    spark.sql("delete from events")


@pytest.mark.parametrize("name", ["events", '"events"', "clickstream.events", "awsdatacatalog.clickstream.events"])
def test_a_table_has_the_names_that_it_has_in_athena(athena, name):
    assert athena(f"select count(*) from {name}") == [(3,)]


def test_metadata_tables_and_hidden_columns(athena, lake_of_run):
    assert athena('select record_count from "events$partitions" order by 1') == [(1,), (2,)]
    assert athena('select count(*) from "clickstream"."events$snapshots"') >= [(1,)]
    assert athena('select "$path" from events limit 1')[0][0].startswith(f"file:{lake_of_run}/events/data/event_type=")
    assert athena("select distinct created_date from events order by 1") == [("2024-03-17",), ("2024-03-18",)]


def test_tables_and_views_are_listed_by_name(athena):
    views = {"funnel", "sessions_per_day", "top_entry_pages"}
    tables = {"clickstream", "events", "page_counts", "quarantine", "session_events", "sessions"}
    assert {name for (name,) in athena("show tables")} >= views | tables
    listed = "select table_name from information_schema.tables where table_schema = 'clickstream'"
    assert {name for (name,) in athena(listed)} >= views | tables


def test_projected_partitions_need_no_declaration(athena, spark, lake_of_run):
    spark.sql("select 'ada' as user_id, '/' as page_url").write.parquet(
        f"{lake_of_run}/clickstream/event_date=2024-03-17"
    )
    day = "where event_date between date '2024-03-10' and date '2024-03-20'"
    assert athena(f"select user_id, page_url, country, event_date from clickstream {day}") == [
        ("ada", "/", None, "2024-03-17")
    ]


def test_values_are_spelled_as_athenas(lake_of_run, athena, capsys):
    athena("select 1")  # the server runs
    capsys.readouterr()
    assert query.answer(
        lake_of_run,
        "select 1.10 as price, 1e10 as large, 0.1e0 as small, nan() as n, -infinity() as i, to_utf8('abc') as bytes,"
        " array['a', null] as list, map(array['k'], array[2]) as map, row(1, 'x') as bare,"
        " cast(row(1, 'x') as row(a int, b varchar)) as named, created_ts, timestamp '2024-03-17 10:15:30.123' as at,"
        " date '2024-03-17' as day, event_type = 'order' as is_order, user_id, '' as empty, 9007199254740993 as big"
        " from events where event_uuid = 'a'",
        "csv",
    ) == 0  # fmt: skip
    header, row = capsys.readouterr().out.splitlines()
    assert header.startswith('"price","large","small","n","i","bytes",')
    assert row == (
        '"1.10","1.0E10","0.1","NaN","-Infinity","61 62 63","[a, null]","{k=2}","{field0=1, field1=x}","{a=1, b=x}",'
        '"2024-03-17 10:15:30.123456","2024-03-17 10:15:30.123","2024-03-17","true",,"","9007199254740993"'
    )


@pytest.mark.parametrize(
    ("sql", "sentence"),
    [
        ("select 1\nfrom evnts", "TABLE_NOT_FOUND: line 2:6: Table 'awsdatacatalog.clickstream.evnts' does not exist"),
        ("select x from events", "COLUMN_NOT_FOUND: line 1:8: Column 'x' cannot be resolved"),
        (";select from where", "SYNTAX_ERROR: line 1:9: "),
        ("select 1 / 0", "DIVISION_BY_ZERO: Division by zero"),
        ("show partitions nothing", "TABLE_NOT_FOUND: line 1:15: "),
        ("show create", "SYNTAX_ERROR: line 1:12: "),
        ("show create table", "SYNTAX_ERROR: line 1:18: "),
    ],
)
def test_an_error_is_the_engines_sentence(athena, lake_of_run, capsys, sql, sentence):
    athena("select 1")  # the server runs
    capsys.readouterr()
    assert query.answer(lake_of_run, sql, "table") == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith(f"sql: {sentence}")
    assert printed.err.count("\n") == 1


@pytest.mark.parametrize(
    "sql",
    [
        "insert into events (event_uuid) values ('x')",
        "delete from events",
        "update events set user_id = 'x'",
        "merge into events using (values 1) as t (a) on true when matched then delete",
        "create table made as select 1 as a",
        "create table iceberg.clickstream.made (a int)",
        "create view made as select 1 as a",
        "drop table events",
        "drop view funnel",
        "alter table events add column a int",
        "alter table iceberg.clickstream.events execute optimize",
        "truncate table iceberg.clickstream.events",
        "explain analyze insert into events (event_uuid) values ('x')",
        "call iceberg.system.rollback_to_snapshot('clickstream', 'events', 1)",
        "call awsdatacatalog.system.create_empty_partition('clickstream', 'clickstream', array['a'], array['b'])",
        "call system.runtime.kill_query('20240317_000000_00000_aaaaa', 'x')",
        "comment on table events is 'x'",
    ],
)
def test_the_engine_itself_only_reads(put, athena, sql):
    with pytest.raises(client.QueryError, match=r"^PERMISSION_DENIED: "):
        put(sql)
    assert athena("select count(*) from events") == [(3,)]


def test_what_changes_after_the_start_is_seen(athena, spark):
    athena("select 1")
    with pytest.raises(client.QueryError, match="TABLE_NOT_FOUND"):
        athena("select * from made_later")
    spark.sql("create table lake.clickstream.made_later (a int) using iceberg")
    assert athena("select * from made_later") == []
    spark.sql("insert into lake.clickstream.made_later values (1), (2)")
    assert athena("select a from made_later order by a") == [(1,), (2,)]
    spark.sql("alter table lake.clickstream.made_later add column b string")
    assert athena("select * from made_later order by a") == [(1, None), (2, None)]
    spark.sql("drop table lake.clickstream.made_later")
    with pytest.raises(client.QueryError, match="TABLE_NOT_FOUND"):
        athena("select * from made_later")


def test_show_partitions_reads_as_in_athena(athena, capsys):
    assert athena("show partitions events") == [
        ("event_type=login/created_date=2024-03-18",),
        ("event_type=order/created_date=2024-03-17",),
    ]
    capsys.readouterr()
    assert athena('SHOW PARTITIONS clickstream."clickstream"') == []
    assert capsys.readouterr().err.startswith("sql: the partitions of clickstream are projected")


def test_show_create_is_the_ddl(athena, lake_of_run):
    lines = [line for (line,) in athena("show create table clickstream")]
    assert lines[0] == "CREATE EXTERNAL TABLE clickstream ("
    assert f"LOCATION '{lake_of_run}/clickstream/'" in lines
    assert athena("show create view funnel")[0] == ("CREATE OR REPLACE VIEW funnel AS",)


def test_a_repair_says_that_there_is_nothing_to_repair(lake_of_run, capsys):
    assert query.answer(lake_of_run, "MSCK REPAIR TABLE clickstream", "json") == 0
    printed = capsys.readouterr()
    assert json.loads(printed.out) == []
    assert printed.err.startswith("sql: there is nothing to repair: the partitions of clickstream are projected")


def test_a_copy_of_a_lake_is_rejected(tmp_path):
    (tmp_path / "catalog.db").touch()
    (tmp_path / "paths.json").write_text('{"lake": "/elsewhere"}')
    with pytest.raises(TableError, match=f"the lake {tmp_path} was made as /elsewhere, .*; move it back"):
        query.ask(tmp_path, "select 1")


def test_every_format_is_a_choice(athena, lake_of_run, capsys):
    athena("select 1")
    for name, printed in {"table": "a\n-\n1\n", "csv": '"a"\n"1"\n', "json": '[{"a": 1}]\n'}.items():
        capsys.readouterr()
        assert query.answer(lake_of_run, "select 1 as a", name) == 0
        assert capsys.readouterr().out == printed
    assert set(formats.WRITERS) == {"table", "csv", "json"}


def test_a_bucket_needs_the_local_aws(monkeypatch):
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with pytest.raises(TableError, match="s3://lake is looked for in the local AWS: run python -m local aws"):
        catalogs.of("s3://lake")
