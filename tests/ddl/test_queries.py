"""Every query and view of ``ddl`` has an answer that was worked out by hand; what the headers show can be asked."""

import re

import pytest

from deploy import ddl

# Of the tables that they read, the columns that they read.
EVENTS = """
    events (event_type, user_id, event_subtype, created_date) as (values
        ('order', 'ada', 'new', date '2024-03-17'),
        ('order', 'bob', 'new', date '2024-03-18'),
        ('order', 'ada', 'paid', date '2024-03-19'),
        ('login', null, null, date '2024-03-19'),
        ('click', 'cyd', 'a', date '2024-03-19'),
        ('old', 'ada', null, date '2024-02-17')
    )
"""
VISITS = """
    clickstream as (
        select date '2024-03-01' + interval '1' day * (day - 1) as event_date, country, user_id, page_url from (values
            (17, 'DE', 'ada', '/'), (17, 'DE', 'ada', '/'), (17, 'DE', 'bob', '/'), (17, 'FR', 'cyd', '/x'),
            (17, 'BR', 'dan', '/'), (17, 'US', 'eve', '/'), (17, 'JP', 'fay', '/'), (17, 'MX', 'guy', '/'),
            (18, 'FR', 'ada', '/')
        ) as visits (day, country, user_id, page_url)
    )
"""
QUARANTINED = """
    quarantine (source, reasons, arrived_date, raw) as (values
        ('events', array['empty', 'not_utf8'], date '2024-03-17', 'b'),
        ('events', array['empty'], date '2024-03-16', 'a'),
        ('clickstream', array['empty'], date '2024-03-18', 'c')
    )
"""
SESSIONS = """
    sessions (session_date, user_id, event_count, duration_seconds, entry_page, is_bounce) as (values
        (date '2024-03-17', 'ada', 5, 10e0, '/', false), (date '2024-03-17', 'ada', 1, 0e0, '/', true),
        (date '2024-03-17', 'bob', 3, 5e0, '/cart', false), (date '2024-03-17', 'cyd', 1, 0e0, null, true),
        (date '2024-03-18', 'ada', 2, 1.25e0, '/cart', true), (date '2024-03-18', 'bob', 2, 1.25e0, '/cart', false),
        (date '2024-03-18', 'cyd', 2, 1.25e0, '/cart', false)
    )
"""
SESSION_EVENTS = """
    session_events as (
    select date '2024-03-17' as session_date, session_key, event_type, from_unixtime(second) as event_time from (values
        ('all', 'product', 0), ('all', 'cart', 1), ('all', 'checkout', 2), ('all', 'payment', 3), ('all', 'cart', 9),
        ('two', 'product', 0), ('two', 'cart', 1), ('two', 'payment', 2),  -- without a checkout
        ('back', 'payment', 0), ('back', 'checkout', 1), ('back', 'cart', 2), ('back', 'product', 3),
        ('at_once', 'checkout', 0), ('at_once', 'cart', 0), ('at_once', 'product', 0),
        ('again', 'cart', 0), ('again', 'product', 1), ('again', 'cart', 2),
        ('none', 'cart', 0), ('none', 'login', 1)
    ) as seen (session_key, event_type, second))
"""
THE_16TH, THE_17TH, THE_18TH, THE_19TH = (f"2024-03-{day}" for day in (16, 17, 18, 19))

ANSWERS = {
    "events_per_type": (
        EVENTS,
        [
            ("order", 3, 2, 2, THE_17TH, THE_19TH),
            ("click", 1, 1, 1, THE_19TH, THE_19TH),
            ("login", 1, 0, 0, THE_19TH, THE_19TH),  # <- old is more than 30 days before
        ],
    ),
    "visitors_per_country": (
        VISITS,
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
        QUARANTINED,
        [
            ("events", "empty", 2, THE_16TH, "a"),
            ("clickstream", "empty", 1, THE_18TH, "c"),
            ("events", "not_utf8", 1, THE_17TH, "b"),
        ],
    ),
    "sessions_per_day": (
        SESSIONS,
        [(THE_17TH, 4, 3, 10, 3.8, 0.5), (THE_18TH, 3, 3, 6, 1.3, 0.333)],
    ),
    "top_entry_pages": (
        SESSIONS,
        [(THE_17TH, 1, "/", 2, 0.5), (THE_17TH, 2, "/cart", 1, 0.0), (THE_18TH, 1, "/cart", 3, 0.333)],
    ),
    "funnel": (
        SESSION_EVENTS,
        [(THE_17TH, 5, 4, 2, 1)],
    ),
}


QUERIES = {path.stem: path.read_text() for path in (ddl.FOLDER / "queries").glob("*.sql")}
HEADERS = {
    path.stem: path.read_text() for folder in ("tables", "views") for path in (ddl.FOLDER / folder).glob("*.sql")
}


def on_rows(query: str, rows: str) -> str:
    """Put rows in the place of a table."""
    query = re.sub(r"\A(--.*\n)+", "", query)
    return f"with {rows}, {query.removeprefix('WITH ')}" if query.startswith("WITH ") else f"with {rows} {query}"


def numbers(rows: list[tuple]) -> list[tuple]:
    """Return rows with numbers for the texts in which decimals and doubles come."""
    return [tuple(float(text) if re.fullmatch(r"-?\d+\.\d+", str(text)) else text for text in row) for row in rows]


def usages(header: str) -> list[str]:
    """Return the statements that a header shows."""
    shown = re.findall(r"^-- [A-Z].*:\n((?:--   .*\n)+)", header, re.MULTILINE)
    return [re.sub(r"^--   ", "", text, flags=re.MULTILINE) for text in shown]


def test_every_query_and_view_has_an_answer():
    assert set(QUERIES) | set(ddl.views()) == set(ANSWERS)


@pytest.mark.parametrize("name", sorted(QUERIES))
def test_answer_of_a_query(athena, name):
    rows, expected = ANSWERS[name]
    assert athena(on_rows(QUERIES[name], rows)) == expected


@pytest.mark.parametrize("name", sorted(ddl.views()))
def test_rows_of_a_view(athena, name):
    rows, expected = ANSWERS[name]
    assert sorted(numbers(athena(on_rows(ddl.views()[name], rows)))) == expected


@pytest.mark.parametrize("name", sorted(ddl.views()))
def test_a_view_is_there_under_its_name(athena, name):
    assert athena(f"select * from {name}") == []


@pytest.mark.parametrize("name", sorted(HEADERS))
def test_what_a_header_shows_can_be_asked(athena, name):
    shown = usages(HEADERS[name])
    assert shown
    for usage in shown:
        assert athena(usage) in ([], [(0, None)])  # of empty tables


@pytest.mark.parametrize("name", sorted(ddl.views()))
def test_a_view_says_what_it_is_and_how_to_use_it(name):
    text = (ddl.FOLDER / "views" / f"{name}.sql").read_text()
    assert text.startswith("-- One row: ")
    assert f"-- Usage:\n--   select * from {name} where session_date" in text
    assert f"CREATE OR REPLACE VIEW {name} AS" in text
