"""Page views: what is one, and the counts of windows, added up from any number of batches."""

# ruff: noqa: DTZ001 - Spark gives its times, all UTC, without a zone

import json
from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from random import Random

import pytest
from pyspark.sql import functions as F

from clickstream import schemas
from clickstream.transforms import hyperloglog, json_records, page_views

NOON = datetime(2024, 3, 17, 12)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


def view(page, user="ada", at=NOON, **fields):
    return json.dumps({"page_url": page, "user_id": user, "event_time": f"{at.isoformat()}Z"} | fields)


def validated(spark, *lines, arrived=NOON):
    raw = spark.createDataFrame([(line, "stream", arrived) for line in lines], schemas.RAW_LINE)
    return raw.transform(json_records.split_records).transform(page_views.validate, HOUR)


def test_views_and_transitions(spark):
    cases = [
        # line, page, views, user, time
        (view("/a"), "/a", 1, "ada", NOON),
        (view(" /a ", user=None, at=NOON - HOUR), "/a", 1, None, NOON - HOUR),  # <- as late as may be
        ("other-search,Oslo,external,12", "Oslo", 12, None, NOON),
        ('Lima,"Lima, Peru",link,10', "Lima, Peru", 10, None, NOON),
        ('Lima,"the ""A"" side",link,10', 'the "A" side', 10, None, NOON),
        ("other-search\tOslo\texternal\t12", "Oslo", 12, None, NOON),
        ('"Heroes"\tTom,_Dick\tlink\t1', "Tom,_Dick", 1, None, NOON),
        (" a \t b \tlink\t 007 ", "b", 7, None, NOON),
        ("a,b,link,1000000000000", "b", 10**12, None, NOON),  # <- the most
        ("a," + "b" * 2048 + ",link,1", "b" * 2048, 1, None, NOON),
    ]
    rows = validated(spark, *[line for line, *_ in cases]).collect()
    assert [row.reasons for row in rows] == [None] * len(cases)
    assert [(row.raw, row.page, row.views, row.user_id, row.viewed_at) for row in rows] == cases


def test_a_record_may_hold_several_transitions(spark):
    rows = validated(spark, "a,b,link,1\r\na,c,link,2\nx", '{"page_url":"/a",\n"event_time":1710676800}').collect()
    assert [(row.page, row.views, row.reasons) for row in rows] == [
        ("b", 1, None),
        ("c", 2, None),
        (None, None, ["not_a_view"]),
        ("/a", 1, None),
    ]


@pytest.mark.parametrize(
    ("line", "reasons"),
    [
        ("", ["empty"]),
        ("a,b,link", ["not_a_view"]),
        ("a,b,link,1,2", ["not_a_view"]),
        ("a,b,link,0", ["views_out_of_range"]),
        ("a,b,link,1000000000001", ["views_out_of_range"]),
        ("a,b,link,9223372036854775807", ["views_out_of_range"]),
        ("a\tb\tlink\t" + "9" * 100_000, ["views_out_of_range"]),
        ("a,b,link,-1", ["not_a_view"]),
        ("a,b,link,٣", ["not_a_view"]),
        ("a,b,link,1.5", ["not_a_view"]),
        (",b,link,1", ["not_a_view"]),
        ('a"b,c,link,1', ["not_a_view"]),  # <- RFC 4180: quotes around a column, or none
        ('"a"b,c,link,1', ["not_a_view"]),
        ('"a,b,link,1', ["not_a_view"]),
        ("a\tb\tlink\t1a\tb\tlink\t1", ["not_a_view"]),
        ("a\t\tlink\t1", ["page_missing"]),
        ("a\0\tb\tlink\t1", ["not_a_view"]),
        ("a\tb\0\tlink\t1", ["page_control_character"]),
        ("," * 100_000, ["not_a_view"]),
        ('"' * 100_000, ["not_a_view"]),
        ('"' + '""' * 100_000 + '",/a,link,0', ["views_out_of_range"]),
        ('{"page_url":"/a","user_id":"ada","x":1,5', ["not_a_view"]),  # <- truncated, with three commas
        (view(12), ["page_not_text"]),
        (view({"a": 1}), ["page_not_text"]),
        (view("/a\n/b"), ["page_control_character"]),
        ("a,b,link,many", ["not_a_view"]),
        ("a,,link,1", ["page_missing"]),
        ("a,*,link,1", ["page_reserved"]),
        ("[]", ["not_a_view"]),
        ("{}", ["page_missing", "event_time_missing"]),
        (view(" "), ["page_missing"]),
        (view("/" + "é" * 1024), ["page_too_long"]),
        (view("/a", event_time="soon"), ["event_time_not_a_time"]),
        (view("/a", at=NOON + timedelta(days=1, seconds=1)), ["event_time_out_of_range"]),
        (view("/a", at=NOON - HOUR - timedelta(milliseconds=1)), ["late"]),
    ],
)
def test_what_is_quarantined(spark, line, reasons):
    (row,) = validated(spark, line).collect()
    assert row.reasons == reasons


def test_batches_add_up_to_what_one_would_count(spark):
    random = Random(1)
    seen = [
        (f"/p{random.randrange(5)}", f"u{random.randrange(40)}", NOON - timedelta(seconds=random.randrange(200)))
        for _ in range(600)
    ]
    stored = spark.createDataFrame([], schemas.PAGE_COUNTS.rows)
    for batch in (0, 1, 1, 2):  # <- one is processed twice
        new = validated(spark, *[view(*each) for each in seen[batch::3]]).transform(page_views.per_window, MINUTE)
        untouched = stored.join(new, [*page_views.KEY], "left_anti").select(*schemas.PAGE_COUNTS.names)
        counted = new.transform(page_views.added, stored, f"q/{batch}").select(*schemas.PAGE_COUNTS.names)
        stored = counted.unionByName(untouched).localCheckpoint()

    views, users = defaultdict(int), defaultdict(set)
    for page, user, at in seen:
        for counted in (page, page_views.ALL_PAGES):
            views[counted, f"{at:%Y-%m-%dT%H:%M}:00.000Z"] += 1
            users[counted, f"{at:%Y-%m-%dT%H:%M}:00.000Z"].add(user)
    rows = page_views.live(stored, stored).collect()
    assert {(row.page, row.window_start): row.views for row in rows} == views
    assert {(row.page, row.window_start): row.users for row in rows} == {
        key: len(value) for key, value in users.items()
    }
    assert {row.pages for row in rows if row.page == page_views.ALL_PAGES} == {5}
    assert {row.window_seconds for row in rows} == {60}


def test_no_views_are_no_windows(spark):
    nothing = validated(spark).where(F.lit(False)).transform(page_views.per_window, MINUTE)
    assert (
        nothing.transform(page_views.added, spark.createDataFrame([], schemas.PAGE_COUNTS.rows), "q/0").collect() == []
    )


def test_sums_are_exact_up_to_what_a_bigint_holds_and_stay_there(spark):
    most = page_views.MOST_COUNTED
    rows = [("/a", most, None, NOON), ("/a", most, None, NOON), ("/b", most - 1, None, NOON), ("/b", 1, None, NOON)]
    views = spark.createDataFrame(rows, "page string, views bigint, user_id string, viewed_at timestamp")
    stored = spark.createDataFrame([], schemas.PAGE_COUNTS.rows)
    counted = (
        views.transform(page_views.per_window, MINUTE).transform(page_views.added, stored, "q/0").localCheckpoint()
    )
    assert {row.page: row.views for row in counted.collect()} == {"/a": most, "/b": most}
    again = views.transform(page_views.per_window, MINUTE).transform(page_views.added, counted, "q/1")
    assert {row.views for row in again.collect()} == {most}
    assert {row.views for row in page_views.live(counted, counted).collect()} == {most}


def test_a_batch_may_hold_more_windows_than_a_condition_lists(spark):
    """A second is the shortest window, and a batch may hold a month of them."""
    many, second = 2 * page_views.MOST_STARTS, timedelta(seconds=1)
    viewed_at = F.lit(NOON) - F.expr("make_dt_interval(0, 0, 0, id)")
    starts = page_views.starts(spark.range(many).select(viewed_at.alias("viewed_at")), second)
    is_touched = page_views.is_touched(starts)
    starts = [NOON - seconds * second for seconds in (0, many - 1, many, -1)]
    stored = spark.createDataFrame([(start,) for start in starts], "window_start timestamp_ntz")
    assert [row[0] for row in stored.select(is_touched).collect()] == [True, True, False, False]


def test_only_windows_with_changes_are_sent(spark):
    rows = [
        # window, seconds, page, views
        (NOON, 60, "/a", 3),  # <- changed
        (NOON, 60, "/b", 4),
        (NOON, 3600, "/a", 5),  # <- of another length
        (NOON - MINUTE, 60, "/a", 6),
    ]
    stored = spark.createDataFrame(rows, "window_start timestamp, window_seconds int, page string, views bigint")
    stored = stored.withColumn("users_sketch", F.lit(hyperloglog.EMPTY)).withColumn("users", F.lit(0))
    changed = stored.where("page = '/a' and window_seconds = 60 and views = 3")
    sent = page_views.live(changed, stored).collect()
    assert {(row.page, row.window_start, row.window_seconds, row.views) for row in sent} == {
        ("/a", "2024-03-17T12:00:00.000Z", 60, 3),
        ("*", "2024-03-17T12:00:00.000Z", 60, 7),
    }


def test_a_rebuilt_date_is_known_as_long_as_a_stream_may_hold_views_of_it():
    hour = datetime(2024, 3, 20, 7, tzinfo=UTC)
    latest = {"version": "5", "query": "q", "last_batch_60": "q/1", "rebuilt_3600": "{}"}
    first = page_views.rebuilt_properties(latest, [date(2022, 3, 20), date(2024, 3, 17)], hour, MINUTE)
    assert first == {
        "version": "5",
        "last_batch_60": "q/1",
        "rebuilt_3600": "{}",
        "rebuilt_60": '{"2024-03-17":"2024-03-20T07:00:00+00:00"}',  # <- and none of 2022
    }
    again = page_views.rebuilt_properties(first, [date(2024, 3, 18)], hour + timedelta(days=1), MINUTE)
    assert json.loads(again["rebuilt_60"]) == {
        "2024-03-17": "2024-03-20T07:00:00+00:00",
        "2024-03-18": "2024-03-21T07:00:00+00:00",
    }
    late = page_views.rebuilt_properties(again, [], hour + timedelta(days=396 - 2), MINUTE)
    assert json.loads(late["rebuilt_60"]).keys() == {"2024-03-18"}


def test_a_date_is_over_when_its_last_view_has_arrived():
    for hour, last in ((1, 15), (2, 15), (3, 16)):  # <- at 02:00 a view of 23:59:59 may just have arrived, late
        now = datetime(2024, 3, 17, hour, tzinfo=UTC)
        assert page_views.last_whole_date(now, MINUTE, timedelta(minutes=60)) == date(2024, 3, last)
