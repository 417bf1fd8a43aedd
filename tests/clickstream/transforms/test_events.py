"""Which of several events stays, and what an event becomes."""

# ruff: noqa: DTZ001 - Spark gives its times, all UTC, without a zone

from datetime import date, datetime

from chispa import assert_df_equality

from clickstream import schemas
from clickstream.transforms import events

NOW, LATER = datetime(2024, 3, 17, 11), datetime(2024, 3, 17, 12)
T = 1_710_670_530_000  # 2024-03-17T10:15:30Z

OUTCOMES = "event_uuid string, created_at long, arrived_at timestamp, payload string, in_table boolean"
OUTCOMES += ", written int, duplicate int, replaced int, conflict int"


def judge(expected):
    """Take the outcome away and have it found again."""
    candidates = expected.drop("written", "duplicate", "replaced", "conflict")
    new = candidates.where("not in_table").drop("in_table").withColumnRenamed("payload", "raw")
    stored = candidates.where("in_table").drop("in_table").selectExpr("*", "date '2024-03-17' as created_date")
    inspected = new.selectExpr("*", "cast(null as array<string>) as reasons", "'file' as origin")
    return events.with_outcome(inspected, stored).select(*expected.columns)


def test_earliest_arrival_stays_then_the_smallest_payload(spark):
    expected = spark.createDataFrame(
        [
            # uuid, created_at, arrived_at, payload, in_table -> written, duplicate, replaced, conflict
            ("once", T, NOW, "b", False, 1, 0, 0, 0),
            ("twice", T, NOW, "z", False, 1, 0, 0, 0),
            ("twice", T, LATER, "a", False, 0, 1, 0, 0),  # <- smaller, but later
            ("tie", T, NOW, "b", False, 0, 1, 0, 0),
            ("tie", T, NOW, "a", False, 1, 0, 0, 0),
            ("tie", T, NOW, "ab", False, 0, 1, 0, 0),
            ("two_times", T, NOW, "a", False, 1, 0, 0, 0),
            ("two_times", T + 1, NOW, "a", False, 1, 0, 0, 1),  # <- another event, and a conflict
            ("two_times", T + 1, LATER, "a", False, 0, 1, 0, 0),
        ],
        OUTCOMES,
    )
    assert_df_equality(judge(expected), expected, ignore_row_order=True, ignore_nullable=True)


def test_a_stored_event_stays_unless_a_better_one_comes(spark):
    expected = spark.createDataFrame(
        [
            # uuid, created_at, arrived_at, payload, in_table -> written, duplicate, replaced, conflict
            ("same", T, NOW, "a", True, 0, 0, 0, 0),
            ("same", T, NOW, "a", False, 0, 1, 0, 0),  # <- a rerun
            ("later", T, NOW, "b", True, 0, 0, 0, 0),
            ("later", T, LATER, "a", False, 0, 1, 0, 0),
            ("earlier", T, LATER, "a", True, 0, 0, 1, 0),
            ("earlier", T, NOW, "b", False, 1, 0, 0, 0),  # <- takes its place
            ("smaller", T, NOW, "b", True, 0, 0, 1, 0),
            ("smaller", T, NOW, "a", False, 1, 0, 0, 0),
            ("stored_twice", T, NOW, "a", True, 0, 0, 0, 0),
            ("stored_twice", T, LATER, "a", True, 0, 0, 1, 0),
            ("stored_twice", T, LATER, "b", False, 0, 1, 0, 0),
            ("conflict", T, LATER, "a", True, 0, 0, 0, 0),
            ("conflict", T + 1, NOW, "a", False, 1, 0, 0, 1),
            ("untouched", T, NOW, "a", True, 0, 0, 0, 0),
        ],
        OUTCOMES,
    )
    assert_df_equality(judge(expected), expected, ignore_row_order=True, ignore_nullable=True)


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
    assert [field.simpleString() for field in rows.schema] == [field.simpleString() for field in schemas.EVENTS]
    actual = {
        (row.payload, row.event_type, row.event_subtype, row.created_datetime, row.user_id) for row in rows.collect()
    }
    assert actual == set(lines)


def test_a_date_outside_is_not_asked_of_a_refused_row(spark):
    rows = spark.createDataFrame(
        [
            (T, None, False),
            (T + 86_400_000, None, True),  # <- a day after the last
            (T - 86_400_000, None, True),
            (T + 86_400_000, ["empty"], False),
            (None, ["empty"], False),
        ],
        "created_at long, reasons array<string>, expected boolean",
    )
    only_the_17th = events.is_out_of_range(date(2024, 3, 17), date(2024, 3, 17))
    assert rows.where(~only_the_17th.eqNullSafe(rows.expected)).count() == 0
    assert rows.where(~events.is_out_of_range(None, None).eqNullSafe(False)).count() == 0
