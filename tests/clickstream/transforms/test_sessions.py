"""Where a session begins and ends, and how it is summed up."""

from datetime import date, datetime, timedelta

import pytest
from chispa import assert_df_equality
from pyspark.sql import functions as F

from clickstream import schemas
from clickstream.transforms import sessions
from clickstream.transforms.sessions import SessionWindow

TEN_SECONDS, MINUTE, DAY = timedelta(seconds=10), timedelta(minutes=1), timedelta(days=1)
MIDNIGHT = datetime(2024, 3, 17, 0)  # noqa: DTZ001 - Spark gives its times, all UTC, without a zone

ROW = ("user_id", "event_uuid")


def activity(rows):
    """Add what a story does not tell of its events; its seconds count from midnight."""
    midnight_us = int(datetime.fromisoformat("2024-03-17T00:00:00+00:00").timestamp() * 1_000_000)
    time = F.timestamp_micros((F.col("seconds") * 1_000_000).cast("long") + midnight_us)
    unknown = {
        name: F.lit(None).cast("string") for name in schemas.ACTIVITY.names if name not in (*rows.columns, "event_time")
    }
    return rows.withColumns({"event_time": time, **unknown})


def assert_sessions(expected, max_length=DAY):
    """Take the answer away and have it found again."""
    answer = [name for name in expected.columns if name in schemas.SESSION_EVENTS.names and name not in ROW]
    found = sessions.to_session_events(activity(expected.drop(*answer)), SessionWindow(TEN_SECONDS, max_length))
    seconds = F.expr("cast((unix_micros(event_time) - unix_micros(timestamp '2024-03-17')) / 1e6 as decimal(20, 6))")
    actual = found.withColumn("seconds", seconds).select(*expected.columns)
    assert_df_equality(actual, expected, ignore_row_order=True, ignore_nullable=True)


def story(spark, rows, answer):
    return spark.createDataFrame(
        [(user, f"{second}", uuid, *said) for user, second, uuid, *said in rows],
        f"user_id string, seconds string, event_uuid string, {answer}".rstrip(", "),
    ).withColumn("seconds", F.col("seconds").cast("decimal(20, 6)"))


def test_a_pause_longer_than_the_gap_begins_a_session(spark):
    expected = story(
        spark,
        [
            # user, second, event -> session, new
            ("ada", 0, "a", "ada-1", 1),
            ("ada", 10, "b", "ada-1", 0),  # <- exactly the gap: same session
            ("ada", 21, "c", "ada-2", 1),  # <- 11 s later: a new one
            ("ada", 21, "d", "ada-2", 0),  # <- at the same instant: in order of event_uuid
            ("bob", "0.000001", "e", "bob-1", 1),
            ("bob", "10.000001", "f", "bob-1", 0),
            ("bob", "20.000002", "g", "bob-2", 1),  # <- a microsecond more than the gap
        ],
        "session_id string, new_session int",
    )
    assert_sessions(expected)


def test_of_two_events_at_one_instant_the_smaller_uuid_begins(spark):
    expected = story(
        spark,
        [("ada", 0, "b", 0), ("ada", 0, "a", 1), ("bob", 5, "d", 0), ("bob", 0, "e", 1)],
        "new_session int",
    )
    assert_sessions(expected)


def test_a_session_over_midnight_is_one_of_the_day_it_began(spark):
    expected = story(
        spark,
        [
            ("ada", 86_395, "a", "ada-1", date(2024, 3, 17)),
            ("ada", 86_400, "b", "ada-1", date(2024, 3, 17)),  # <- the 18th, 00:00:00
            ("ada", 86_405, "c", "ada-1", date(2024, 3, 17)),
            ("ada", 86_420, "d", "ada-2", date(2024, 3, 18)),
        ],
        "session_id string, session_date date",
    )
    assert_sessions(expected)


def test_a_session_is_cut_at_each_maximum_from_its_start(spark):
    expected = story(
        spark,
        [
            *(("bot", 5 + second, f"{second:03}", "bot-1", None) for second in range(0, 60, 10)),
            ("bot", 65, "060", "bot-2", "max_length"),  # <- exactly the maximum after the start: cut
            ("bot", 75, "070", "bot-2", "max_length"),
            *(("bot", second, f"{second:03}", "bot-2", "max_length") for second in range(80, 125, 5)),
            ("bot", "125", "125", "bot-3", "max_length"),
            ("bot", "136", "136", "bot-4", None),  # <- after a pause the maximum counts anew
            ("bot", "146", "146", "bot-4", None),
        ],
        "session_id string, split_cause string",
    )
    assert_sessions(expected, max_length=MINUTE)


def test_users_continue_a_block(spark):
    rows = [
        # user, second, event, start of the block, sessions before -> session, new, split_cause
        ("ada", 65, "a", 5, 3, "ada-4", 1, "max_length"),
        ("ada", 75, "b", 5, 3, "ada-4", 0, "max_length"),
        ("ada", 90, "c", 5, 3, "ada-5", 1, None),
        ("bob", 65, "d", None, 3, "bob-4", 1, None),
        ("bob", 75, "e", None, 3, "bob-4", 0, None),
    ]
    expected = spark.createDataFrame(
        [(user, f"{second}", *rest) for user, second, *rest in rows],
        "user_id string, seconds string, event_uuid string, block long, sessions_before long,"
        " session_id string, new_session int, split_cause string",
    )
    continued = (
        expected
        .withColumn("seconds", F.col("seconds").cast("decimal(20, 6)"))
        .withColumn("block_started_at", F.expr("timestampadd(second, block, timestamp '2024-03-17')"))
        .drop("session_id", "new_session", "split_cause")
        .transform(activity)
    )
    actual = sessions.to_session_events(continued, SessionWindow(TEN_SECONDS, MINUTE))
    shown = ["event_uuid", "session_id", "new_session", "split_cause"]
    assert_df_equality(actual.select(shown), expected.select(shown), ignore_row_order=True, ignore_nullable=True)


def test_a_key_is_of_the_first_event_whatever_the_number(spark):
    rows = story(spark, [("ada", 0, "a"), ("ada", 100, "b"), ("ada", 105, "c"), ("bob", 100, "b")], "")
    keys = {}
    for name, events in (("all", rows), ("without_the_first", rows.where("event_uuid <> 'a'"))):
        found = sessions.to_session_events(activity(events), SessionWindow(TEN_SECONDS, DAY)).collect()
        keys[name] = {row.event_uuid + row.user_id: (row.session_key, row.session_number) for row in found}
    assert keys["all"]["bada"] == keys["all"]["cada"]
    assert keys["all"]["bada"] == (keys["without_the_first"]["bada"][0], 2)
    assert len({key for key, _ in keys["all"].values()}) == 3


@pytest.mark.parametrize("continued", [False, True])
def test_one_shuffle_and_one_sort_do(spark, capsys, continued):
    rows = spark.createDataFrame([], schemas.ACTIVITY)
    if continued:
        rows = rows.selectExpr("*", "event_time as block_started_at", "1L as sessions_before")
    sessions.to_session_events(rows, SessionWindow(TEN_SECONDS, DAY)).explain()
    plan = capsys.readouterr().out
    assert plan.count("Exchange") == 1
    assert plan.count("Sort ") == 1


def test_how_a_session_is_summed_up(spark):
    rows = spark.createDataFrame(
        [
            # user, second, event, page, device, country
            ("ada", 0, "a", None, None, "DE"),
            ("ada", 1, "b", "/", "mobile", "FR"),
            ("ada", 1, "c", "/cart", "desktop", None),
            ("ada", 3, "d", "/", None, None),
            ("ada", 4, "e", None, None, None),
            ("bob", 0, "f", "/", None, None),
            ("bob", 9, "g", "/", None, None),
            ("cyd", 0, "h", None, None, None),
            ("dan", 0, "i", None, None, None),
            ("dan", 1, "j", None, None, None),
        ],
        "user_id string, seconds int, event_uuid string, page string, device_type string, country string",
    )
    expected = spark.createDataFrame(
        [
            # session, seconds, events, pages, entry, exit, device, country, bounce
            ("ada-1", 4.0, 5, 2, "/", "/", "mobile", "DE", False),
            ("bob-1", 9.0, 2, 1, "/", "/", None, None, True),  # <- one page
            ("cyd-1", 0.0, 1, 0, None, None, None, None, True),  # <- one event
            ("dan-1", 1.0, 2, 0, None, None, None, None, False),
        ],
        "session_id string, duration_seconds double, event_count long, page_count long, entry_page string,"
        " exit_page string, device_type string, country string, is_bounce boolean",
    )
    found = sessions.to_sessions(sessions.to_session_events(activity(rows), SessionWindow(TEN_SECONDS, DAY)))
    assert [field.simpleString() for field in found.schema] == [field.simpleString() for field in schemas.SESSIONS.rows]
    assert_df_equality(found.select(*expected.columns), expected, ignore_row_order=True, ignore_nullable=True)


def at(second):
    return MIDNIGHT + timedelta(seconds=second)


def test_users_are_recomputed_from_the_first_session_that_a_change_reaches(spark):
    stored = [
        # user, number, start, end, split_cause
        ("early", 1, 100, 110, None),
        ("after", 1, 100, 110, None),
        ("at_the_gap", 1, 50, 60, None),
        ("at_the_gap", 2, 100, 110, None),
        ("between", 1, 50, 60, None),
        ("between", 2, 100, 110, None),
        ("cut", 1, 0, 55, None),
        ("cut", 2, 60, 115, "max_length"),
        ("cut", 3, 120, 130, "max_length"),
        ("cut_and_after", 1, 0, 55, None),
        ("cut_and_after", 2, 60, 100, "max_length"),
    ]
    changes = [("new", 7), ("early", 89), ("after", 121), ("at_the_gap", 120), ("between", 75), ("between", 300)]
    changes += [("cut", 125), ("cut", 126), ("cut_and_after", 111)]
    expected = spark.createDataFrame(
        [
            # user, recompute_from, start of the block, sessions before
            ("new", at(7), None, 0),
            ("early", at(89), None, 0),
            ("after", at(121), None, 1),
            ("at_the_gap", at(100), None, 1),  # <- just reaches the second
            ("between", at(75), None, 1),
            ("cut", at(60), at(0), 1),  # <- the second ends 10 s before
            ("cut_and_after", at(111), None, 2),
        ],
        "user_id string, recompute_from timestamp, block_started_at timestamp, sessions_before long",
    )
    actual = sessions.recompute_points(
        spark.createDataFrame([(user, at(second)) for user, second in changes], "user_id string, event_time timestamp"),
        spark.createDataFrame(
            [(user, number, at(start), at(end), cause) for user, number, start, end, cause in stored],
            "user_id string, session_number long, started_at timestamp, ended_at timestamp, split_cause string",
        ),
        TEN_SECONDS,
    )
    assert_df_equality(actual, expected, ignore_row_order=True, ignore_nullable=True)
