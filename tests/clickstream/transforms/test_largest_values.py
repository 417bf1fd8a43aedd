"""The largest and smallest values that rules let through, and those that they do not: no transform fails for them."""

# ruff: noqa: DTZ001 - Spark gives its times, all UTC, without a zone

import json
from datetime import datetime, timedelta

import pytest
from pyspark.sql import functions as F

from clickstream import schemas
from clickstream.transforms import activity, events, live_sessions, page_views, sessions, visits
from clickstream.transforms.sessions import SessionWindow

LAST_DAY = datetime(9999, 12, 30)  # of an arrival: what it says may be a day later
TIMES = [
    "2000-01-01T00:00:00Z",
    "9999-12-31T00:00:00Z",
    "9999-12-31T23:59:60Z",
    "9999-12-31T23:59:59.999999999-18:00",
    "0000-01-01T00:00:00+18:00",
    "2024-03-17T00:00:00+99:99",
    946_684_800,
    253_402_214_400,  # 9999-12-31
    253_402_214_400_000,
    253_402_214_400_000_000,
    *[sign * 10**digits + more for sign in (1, -1) for digits in (11, 14, 18, 19, 38, 300) for more in (-1, 0)],
    1e308,
    "9" * 100_000,
    "1e99",
    "-0.999999999999999999",
]
LONGEST = timedelta(days=3650)
FORMS = {  # transform, and the field of its time
    "events": (events.validate, "created_at"),
    "visits": (visits.validate, "event_time"),
    "page_views": (lambda lines: page_views.validate(lines, LONGEST), "event_time"),
    "clicks": (
        lambda lines: activity.from_lines(lines, "clicks", live_sessions.rules(LONGEST)),
        "event_timestamp",
    ),
    "session_events": (
        lambda lines: activity.from_lines(lines, "clicks", activity.line_rules(LONGEST)),
        "event_timestamp",
    ),
}


@pytest.mark.parametrize("form", FORMS)
def test_any_time_is_judged(spark, form):
    validate, field = FORMS[form]
    rest = {"user_id": "ada", "event_uuid": "1", "event_name": "a:b", "page_url": "/a"}
    lines = [(json.dumps({field: time} | rest), "", LAST_DAY) for time in TIMES]
    validated = spark.createDataFrame(lines, schemas.RAW_LINE).transform(validate)
    validated.write.format("noop").mode("overwrite").save()  # <- all columns
    valid = validated.where("reasons is null")
    assert 0 < valid.count() < len(TIMES)
    if form == "events":
        valid.transform(events.deduplicate).transform(events.to_table).write.format("noop").mode("overwrite").save()
    if form == "page_views":
        window = timedelta(days=1)
        stored = spark.createDataFrame([], schemas.PAGE_COUNTS.rows)
        added = valid.transform(page_views.per_window, window).transform(page_views.added, stored, "q/0")
        assert page_views.live(added, added.where(page_views.is_touched(page_views.starts(valid, window)))).count() > 0


@pytest.mark.parametrize("hours", [1, 168])
def test_sessions_from_the_first_time_to_the_last(spark, hours):
    times = ["2000-01-01 00:00:00", "2000-01-01 00:00:01", "9999-12-30 00:00:00", "9999-12-31 00:00:00"]
    rows = [("u" * 2028, f"{number}", time) for number, time in enumerate(times)]
    clicks = spark.createDataFrame(rows, "user_id string, event_uuid string, event_time string")
    clicks = clicks.withColumn("event_time", F.col("event_time").cast("timestamp"))
    for name in schemas.ACTIVITY.names[3:]:
        clicks = clicks.withColumn(name, F.lit("x" * 10_000))
    window = SessionWindow(timedelta(days=1), timedelta(hours=hours))
    made = sessions.to_sessions(sessions.to_session_events(clicks, window))
    assert made.where("event_count = 2 and page_count = 1 and duration_seconds = 1").count() == 1

    before = spark.createDataFrame([], live_sessions.STATE)
    last = 253_402_300_799_999
    state = live_sessions.update_state(before, clicks, window, last, timedelta(days=365)).localCheckpoint()
    sent = live_sessions.session_updates(state, before).selectExpr("max(length(to_json(struct(*))))").collect()
    assert sent[0][0] < 2**20
