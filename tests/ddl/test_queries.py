"""Every query and view of ``ddl`` has an answer that was worked out by hand."""

from collections.abc import Callable
from datetime import date

import pytest
import sqlglot
from pyspark.sql import SparkSession

from deploy import ddl

# Of the tables that they read, the columns that they read.
EVENTS = """
    select * from values
        ('order', 'ada', 'new', date '2024-03-17'),
        ('order', 'bob', 'new', date '2024-03-18'),
        ('order', 'ada', 'paid', date '2024-03-19'),
        ('login', null, null, date '2024-03-19'),
        ('click', 'cyd', 'a', date '2024-03-19'),
        ('old', 'ada', null, date '2024-02-17')
    as events (event_type, user_id, event_subtype, created_date)
"""
VISITS = """
    select make_date(2024, 3, day) as event_date, country, user_id, page_url from values
        (17, 'DE', 'ada', '/'), (17, 'DE', 'ada', '/'), (17, 'DE', 'bob', '/'), (17, 'FR', 'cyd', '/x'),
        (17, 'BR', 'dan', '/'), (17, 'US', 'eve', '/'), (17, 'JP', 'fay', '/'), (17, 'MX', 'guy', '/'),
        (18, 'FR', 'ada', '/')
    as clickstream (day, country, user_id, page_url)
"""
QUARANTINED = """
    select * from values
        ('events', array('empty', 'not_utf8'), date '2024-03-17', 'b'),
        ('events', array('empty'), date '2024-03-16', 'a'),
        ('clickstream', array('empty'), date '2024-03-18', 'c')
    as quarantine (source, reasons, arrived_date, raw)
"""
SESSIONS = """
    select * from values
        (date '2024-03-17', 'ada', 5, 10.0D, '/', false), (date '2024-03-17', 'ada', 1, 0.0D, '/', true),
        (date '2024-03-17', 'bob', 3, 5.0D, '/cart', false), (date '2024-03-17', 'cyd', 1, 0.0D, null, true),
        (date '2024-03-18', 'ada', 2, 1.25D, '/cart', true)
    as sessions (session_date, user_id, event_count, duration_seconds, entry_page, is_bounce)
"""
SESSION_EVENTS = """
    select date '2024-03-17' as session_date, session_key, event_type, timestamp_seconds(second) as event_time
    from values
        ('all', 'product', 0), ('all', 'cart', 1), ('all', 'checkout', 2), ('all', 'payment', 3), ('all', 'cart', 9),
        ('two', 'product', 0), ('two', 'cart', 1), ('two', 'payment', 2),  -- without a checkout
        ('back', 'payment', 0), ('back', 'checkout', 1), ('back', 'cart', 2), ('back', 'product', 3),
        ('at_once', 'checkout', 0), ('at_once', 'cart', 0), ('at_once', 'product', 0),
        ('again', 'cart', 0), ('again', 'product', 1), ('again', 'cart', 2),
        ('none', 'cart', 0), ('none', 'login', 1)
    as session_events (session_key, event_type, second)
"""
THE_16TH, THE_17TH, THE_18TH, THE_19TH = (date(2024, 3, day) for day in (16, 17, 18, 19))

ANSWERS = {
    "events_per_type": (
        {"events": EVENTS},
        [
            ("order", 3, 2, 2, THE_17TH, THE_19TH),
            ("click", 1, 1, 1, THE_19TH, THE_19TH),
            ("login", 1, 0, 0, THE_19TH, THE_19TH),  # <- old is more than 30 days before
        ],
    ),
    "visitors_per_country": (
        {"clickstream": VISITS},
        [
            (THE_17TH, 1, "DE", 2, 3, 1),
            (THE_17TH, 2, "BR", 1, 1, 1),
            (THE_17TH, 3, "FR", 1, 1, 1),
            (THE_17TH, 4, "JP", 1, 1, 1),
            (THE_17TH, 5, "MX", 1, 1, 1),  # <- US is the sixth
            (THE_18TH, 1, "FR", 1, 1, 1),
        ],
    ),
    "quarantined_per_reason": (
        {"quarantine": QUARANTINED},
        [
            ("events", "empty", 2, THE_16TH, "a"),
            ("clickstream", "empty", 1, THE_18TH, "c"),
            ("events", "not_utf8", 1, THE_17TH, "b"),
        ],
    ),
    "sessions_per_day": (
        {"sessions": SESSIONS},
        [(THE_17TH, 4, 3, 10, 3.8, 0.5), (THE_18TH, 1, 1, 2, 1.3, 1.0)],
    ),
    "top_entry_pages": (
        {"sessions": SESSIONS},
        [(THE_17TH, 1, "/", 2, 0.5), (THE_17TH, 2, "/cart", 1, 0.0), (THE_18TH, 1, "/cart", 1, 1.0)],
    ),
    "funnel": (
        {"session_events": SESSION_EVENTS},
        [(THE_17TH, 5, 4, 2, 1)],
    ),
}


@pytest.fixture
def ask(spark: SparkSession) -> Callable:
    """Give what answers a query on tables that nobody else sees."""

    def answer(query: str, tables: dict[str, str]) -> list[tuple]:
        session = spark.newSession()
        for name, rows in tables.items():
            session.sql(rows).createOrReplaceTempView(name)
        return [
            tuple(float(value) if hasattr(value, "as_tuple") else value for value in row)
            for row in session.sql(query).collect()
        ]

    return answer


def queries() -> dict[str, str]:
    texts = {path.stem: path.read_text() for path in (ddl.FOLDER / "queries").glob("*.sql")}
    return {name: sqlglot.transpile(text, read="athena", write="spark")[0] for name, text in texts.items()}


def test_every_query_and_view_has_an_answer():
    assert set(queries()) | set(ddl.views()) == set(ANSWERS)


@pytest.mark.parametrize("name", sorted(queries()))
def test_answer_of_a_query(ask, name):
    tables, expected = ANSWERS[name]
    assert ask(queries()[name], tables) == expected


@pytest.mark.parametrize("name", sorted(ddl.views()))
def test_rows_of_a_view(ask, name):
    tables, expected = ANSWERS[name]
    assert sorted(ask(ddl.views()[name], tables)) == expected


@pytest.mark.parametrize("name", sorted(ddl.views()))
def test_a_view_says_what_it_is_and_how_to_use_it(name):
    text = (ddl.FOLDER / "views" / f"{name}.sql").read_text()
    assert text.startswith("-- One row: ")
    assert f"-- Usage:\n--   select * from {name} where session_date" in text
    assert f"CREATE OR REPLACE VIEW {name} AS" in text
