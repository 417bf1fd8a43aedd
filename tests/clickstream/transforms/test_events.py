"""Which of several events stays, and what an event becomes."""

# ruff: noqa: DTZ001 - Spark gives its times, all UTC, without a zone

import json
from datetime import date, datetime

from chispa import assert_df_equality

from clickstream import schemas
from clickstream.transforms import events

NOW, LATER = datetime(2024, 3, 17, 11), datetime(2024, 3, 17, 12)
T = 1_710_670_530_000  # 2024-03-17T10:15:30Z

MERGED = "event_uuid string, created_at long, arrived_at timestamp, payload string, is_stored boolean"
MERGED += ", action string, is_conflict boolean"


def merge(expected):
    """Take the merge away and have it found again."""
    candidates = expected.drop("action", "is_conflict")
    new = candidates.where("not is_stored").drop("is_stored").withColumnRenamed("payload", "raw")
    stored = candidates.where("is_stored").drop("is_stored").selectExpr("*", "date '2024-03-17' as created_date")
    validated = new.selectExpr("*", "cast(null as array<string>) as reasons", "'file' as origin")
    merged = events.deduplicate(validated, stored).fillna(value=False, subset=["is_conflict"])
    return merged.select(*expected.columns)


def test_earliest_arrival_stays_then_the_smallest_payload(spark):
    expected = spark.createDataFrame(
        [
            # uuid, created_at, arrived_at, payload, is_stored -> action, is_conflict
            ("once", T, NOW, "b", False, "insert", False),
            ("twice", T, NOW, "z", False, "insert", False),
            ("twice", T, LATER, "a", False, "duplicate", False),  # <- smaller, but later
            ("tie", T, NOW, "b", False, "duplicate", False),
            ("tie", T, NOW, "a", False, "insert", False),
            ("tie", T, NOW, "ab", False, "duplicate", False),
            ("two_times", T, NOW, "a", False, "insert", False),
            ("two_times", T + 1, NOW, "a", False, "insert", True),  # <- another event, and a conflict
            ("two_times", T + 1, LATER, "a", False, "duplicate", False),
        ],
        MERGED,
    )
    assert_df_equality(merge(expected), expected, ignore_row_order=True, ignore_nullable=True)


def test_a_stored_event_stays_unless_a_better_one_comes(spark):
    expected = spark.createDataFrame(
        [
            # uuid, created_at, arrived_at, payload, is_stored -> action, is_conflict
            ("same", T, NOW, "a", True, None, False),
            ("same", T, NOW, "a", False, "duplicate", False),  # <- a rerun
            ("later", T, NOW, "b", True, None, False),
            ("later", T, LATER, "a", False, "duplicate", False),
            ("earlier", T, LATER, "a", True, "replace", False),
            ("earlier", T, NOW, "b", False, "insert", False),  # <- takes its place
            ("smaller", T, NOW, "b", True, "replace", False),
            ("smaller", T, NOW, "a", False, "insert", False),
            ("stored_twice", T, NOW, "a", True, None, False),
            ("stored_twice", T, LATER, "a", True, "replace", False),
            ("stored_twice", T, LATER, "b", False, "duplicate", False),
            ("conflict", T, LATER, "a", True, None, False),
            ("conflict", T + 1, NOW, "a", False, "insert", True),
            ("untouched", T, NOW, "a", True, None, False),
        ],
        MERGED,
    )
    assert_df_equality(merge(expected), expected, ignore_row_order=True, ignore_nullable=True)


def test_an_event_becomes_a_row(spark):
    lines = [
        # line, event_type, subtype, datetime, user
        ('{"event_uuid":"a","event_name":"Payment : Order :x","created_at":1710670530,"user_id":7}',
         "payment", "Order", "2024-03-17T10:15:30.000Z", "7"),
        ('{"event_uuid":"a","event_name":"a::b","created_at":1710670530007}',
         "a", None, "2024-03-17T10:15:30.007Z", None),
        ('{"event_uuid":"a","event_name":"a","created_at":"951782400.12","user_id":""}',
         "a", None, "2000-02-29T00:00:00.120Z", None),
    ]  # fmt: skip
    raw = spark.createDataFrame([(line, "file", NOW) for line, *_ in lines], schemas.RAW_LINE)
    rows = (
        events
        .parse(raw)
        .withColumnRenamed("raw", "payload")
        .selectExpr("*", "to_date(timestamp_millis(created_at)) as created_date")
        .transform(events.to_table)
    )
    assert [field.simpleString() for field in rows.schema] == [field.simpleString() for field in schemas.EVENTS.rows]
    actual = {
        (row.payload, row.event_type, row.event_subtype, row.created_datetime, row.user_id) for row in rows.collect()
    }
    assert actual == set(lines)


def test_an_event_says_where_it_was_and_on_what(spark):
    story = [
        # fields -> page, device_type, country
        ({"page_url": "/a", "page": "/b", "device_type": "tv", "country": "DE"}, "/a", "tv", "DE"),
        ({"page": "/b", "url": "/c", "countrycode": "FR"}, "/b", None, "FR"),
        ({"page_url": "", "url": " /c ", "geo": {"country": "JP"}}, "/c", None, "JP"),
        ({"page": None, "geo": "Mars"}, None, None, None),
        ({}, None, None, None),
    ]
    lines = [json.dumps({"event_uuid": str(number)} | fields) for number, (fields, *_) in enumerate(story)]
    raw = spark.createDataFrame([(line, "file", NOW) for line in lines], schemas.RAW_LINE)
    found = events.parse(raw).orderBy("event_uuid").select("page", "device_type", "country").collect()
    assert [tuple(row) for row in found] == [tuple(expected) for _, *expected in story]


def test_a_row_that_breaks_rules_is_not_out_of_range_too(spark):
    story = [
        # day of the event, name -> reasons, is_out_of_range
        ("17", "a", None, False),
        ("18", "a", None, True),  # <- a day after the last
        ("16", "a", None, True),
        ("18", "/", ["event_type_invalid"], False),
    ]
    lines = [
        (
            f'{{"event_uuid":"u","event_name":"{name}","created_at":{T // 1000 + 86_400 * (int(day) - 17)}}}',
            "file",
            LATER,
        )
        for day, name, *_ in story
    ]
    raw = spark.createDataFrame(lines, schemas.RAW_LINE)
    rows = events.validate(raw, date(2024, 3, 17), date(2024, 3, 17)).select("reasons", "is_out_of_range").collect()
    assert [tuple(row) for row in rows] == [tuple(expected) for _, _, *expected in story]
    assert "is_out_of_range" not in events.validate(raw).columns
