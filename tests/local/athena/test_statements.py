"""Which statements reach the server, and what is said of the others."""

import re

import pytest

from local.athena import statements


@pytest.mark.parametrize(
    "text",
    [
        "select 1",
        "SELECT ';' -- ; insert into events",
        "with a as (select 1) select * from a",
        "values 1",
        "table events",
        "(select 1) union all (select 2)",
        "describe events",
        "desc events",
        "explain select 1",
        "explain (type io, format json) select 1",
        "explain analyze verbose select 1",
        "explain (select 1)",
        "select 'drop table events'",
        'select 1 as "insert; into"',
    ],
)
def test_what_reads_is_asked_as_it_stands(text):
    assert statements.parse(text).text == text


def test_the_end_of_a_statement_is_a_space():  # <- errors name line and column
    assert statements.parse("show tables; /* that is; all */ ;").text == "show tables  /* that is; all */  "
    assert statements.parse("select 1 ;\n").text == "select 1  \n"
    assert statements.parse("select ';'").text == "select ';'"


@pytest.mark.parametrize("text", ["explain", "explain analyze", "explain (type io)", "explain explain"])
def test_something_has_to_be_explained(text):
    with pytest.raises(statements.StatementError, match="EXPLAIN needs a statement after it"):
        statements.parse(text)


@pytest.mark.parametrize(
    ("text", "number"),
    [("", 0), ("-- nothing", 0), (";;", 0), ("select 1; select 2", 2), ("select 1; drop table a", 2)],
)
def test_one_statement_at_a_time(text, number):
    with pytest.raises(statements.StatementError, match=f"one statement is answered at a time, not {number}"):
        statements.parse(text)


@pytest.mark.parametrize(
    "text",
    [
        "insert into events values (1)",
        "update events set a = 1",
        "delete from events",
        "merge into events using x on true when matched then delete",
        "truncate table events",
        "create table a (b int)",
        "create or replace view a as select 1",
        "/* select */ create view a as select 1",
        "drop table events",
        "drop view funnel",
        "alter table events add column a int",
        "alter table events execute optimize",
        "call iceberg.system.unregister_table('clickstream', 'events')",
        "set session query_max_run_time = '1s'",
        "set role admin",
        "use iceberg.clickstream",
        "grant select on events to analyst",
        "comment on table events is 'a'",
        "analyze events",
        "refresh materialized view a",
        "prepare a from select 1",
        "execute a",
        "start transaction",
        "explain insert into events select * from events",
        "explain analyze delete from events",
        "explain (type io) drop table events",
    ],
)
def test_what_writes_is_refused_by_name(text):
    named = re.sub(r"^(/\*.*\*/ |explain (analyze |\(.*\) )?)", "", text).split()[0].upper()
    with pytest.raises(statements.StatementError, match=f"^{named} is not run here; python -m local sql only reads$"):
        statements.parse(text)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("optimize events rewrite data using bin_pack", "OPTIMIZE is not run here; python -m local run maintain"),
        ("vacuum events", "VACUUM is not run here; python -m local run maintain expires"),
        ("unload (select 1) to 's3://lake/a' with (format = 'parquet')", "UNLOAD is not run here; --format csv"),
        ("create external table a (b int) location 's3://lake/a'", "CREATE EXTERNAL TABLE is not run here; the tables"),
        ("alter table clickstream add if not exists partition (event_date = date '2024-03-17')",
         "ALTER TABLE ADD PARTITION is not run here; the partitions of clickstream are projected"),
    ],
)  # fmt: skip
def test_what_is_athenas_own_is_refused_with_what_to_do_instead(text, sentence):
    with pytest.raises(statements.StatementError) as refused:
        statements.parse(text)
    assert str(refused.value).startswith(sentence)
