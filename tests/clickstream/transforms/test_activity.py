"""What is taken of each input: when, who, what, where."""

# ruff: noqa: DTZ001 - Spark gives its times, all UTC, without a zone

import hashlib
import json
from datetime import date, datetime, timedelta

from chispa import assert_df_equality

from clickstream import schemas
from clickstream.transforms import activity

TIME = datetime(2024, 3, 17, 10, 15, 30)
WEEK = timedelta(days=7)
IS_VALID = "reasons is null"


def test_an_event_without_a_user_is_anonymous_and_a_late_one_quarantined(spark):
    story = [
        # user, delay -> reasons, anonymous
        ("in_time", WEEK, None, False),  # <- exactly the lookback
        ("late", WEEK + timedelta(microseconds=1), ["late_beyond_lookback"], False),
        (None, timedelta(0), None, True),
        (None, 2 * WEEK, None, True),
    ]
    rows = [
        ("a", "x", None, 0, "", TIME, user, None, None, None, "{}", TIME + delay, "x", TIME.date())
        for user, delay, *_ in story
    ]
    found = activity.from_events(spark.createDataFrame(rows, schemas.EVENTS.rows), "events", WEEK)
    expected = spark.createDataFrame(
        [(user, TIME + delay, *rest) for user, delay, *rest in story],
        "user_id string, arrived_at timestamp, reasons array<string>, is_anonymous boolean",
    )
    assert_df_equality(found.select(*expected.columns), expected, ignore_row_order=True, ignore_nullable=True)


LINES = {
    "clicks": (
        {"event_timestamp": "2024-03-17 10:15:30", "event_name": "menu", "event_type": "click", "device_type": "tv"},
        ("click", "menu", None, "tv", None),
    ),
    "app_clicks": (
        {"device_id": "9", "client_event": "tap", "client_timestamp": "2024-03-17T10:15:30Z", "countrycode": "DE"},
        (None, "tap", None, None, "DE"),
    ),
    "visits": (
        {
            "session_id": "s1",
            "event_time": 1_710_670_530,
            "event_type": "scroll",
            "page_url": "/a",
            "device_type": "tv",
            "geo": {"country": "DE", "city": "Köln"},
        },
        ("scroll", None, "/a", "tv", "DE"),
    ),
}


def test_lines_of_each_input(spark):
    for source, (fields, said) in LINES.items():
        line = json.dumps({"user_id": "ada"} | fields)
        raw = spark.createDataFrame([(line, "file", TIME)], schemas.RAW_LINE)
        (row,) = (
            activity
            .from_lines(raw, source, activity.line_rules(WEEK))
            .where(IS_VALID)
            .select(*schemas.ACTIVITY.names)
            .collect()
        )
        assert tuple(row) == ("ada", hashlib.sha256(line.encode()).hexdigest(), TIME, *said), source


def test_lines_are_quarantined_for_their_reasons_and_dates_are_out_of_range(spark):
    story = {
        "x": (["not_a_json_object"], False),
        '{"event_timestamp": "2024-03-17 10:15:30"}': (["user_id_missing"], False),
        '{"user_id": "ada"}': (["event_time_missing"], False),
        '{"user_id": "ada", "event_timestamp": "2024-03-10 10:15:29"}': (["late_beyond_lookback"], False),
        '{"user_id": "ada", "event_timestamp": "2024-03-10 10:15:30"}': (None, True),
        '{"user_id": "ada", "event_timestamp": "2024-03-16 00:00:00"}': (None, False),
        '{"user_id": "ada", "event_timestamp": "2024-03-17 00:00:00"}': (None, True),
    }
    raw = spark.createDataFrame([(line, "file", TIME) for line in story], schemas.RAW_LINE)
    found = activity.from_lines(
        raw, "clicks", activity.line_rules(WEEK), date(2024, 3, 16), date(2024, 3, 16)
    ).collect()
    assert {row.raw: (row.reasons, row.is_out_of_range) for row in found} == story
