"""Times as producers write them, at the edges of every form."""

# ruff: noqa: DTZ001 - Spark gives its times, all UTC, without a zone

from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from clickstream.transforms import times

NOT_A_TIME = None
T = 1_710_670_530_000  # 2024-03-17T10:15:30Z


@pytest.fixture(autouse=True)
def ansi(spark: SparkSession):
    """Have a bad cast raise on both versions of Spark, as it does on 4 by default."""
    before = spark.conf.get("spark.sql.ansi.enabled")
    spark.conf.set("spark.sql.ansi.enabled", "true")
    yield
    spark.conf.set("spark.sql.ansi.enabled", before)


def test_unix_times(spark):
    cases = [
        # text, Unix ms
        ("0", 0),
        ("-1", -1_000),
        ("1000000000", 1_000_000_000_000),  # s
        ("1710670530", T),
        ("1710670530000", T),  # ms
        ("1710670530000000", T),  # µs
        ("1710670530000999", T),  # <- floored
        ("99999999999", 99_999_999_999_000),  # the last second, in 5138
        ("100000000000", 100_000_000_000),  # the first millisecond, in 1973
        ("99999999999999", 99_999_999_999_999),
        ("100000000000000", 100_000_000_000),  # the first microsecond
        ("2147483647", 2_147_483_647_000),  # 2038
        ("2147483648", 2_147_483_648_000),
        ("1710670530.5", T + 500),
        ("1710670530.9999", T + 999),
        ("1710670530123.9", T + 123),
        ("-0.0001", -1),  # <- floored, not cut
        ("-1.5", -1_500),
        ("1710719999.999999999999999999", 1_710_719_999_999),  # <- floored, not rounded into the next day
        ("1710719999999.999999999999", 1_710_719_999_999),
        ("1710670530.1234567890123456789", NOT_A_TIME),  # 19 decimals
        ("1710670530123456.7", T + 123),
        ("1.710670530123E12", T + 123),  # how Java writes a double
        (" 1710670530 ", T),
        ("+1710670530", T),
        ("9223372036854775807", 9_223_372_036_854_775),
        ("-9223372036854775808", -9_223_372_036_854_775),
        ("9223372036854775808", 9_223_372_036_854_775),  # <- more than a bigint, but not in ms
        ("99999999999999999999999", NOT_A_TIME),
        ("1E300", NOT_A_TIME),
        ("-1E300", NOT_A_TIME),
        ("1E-300", NOT_A_TIME),
        ("1e-99999999", NOT_A_TIME),  # <- its digits would take minutes to write out
        ("NaN", NOT_A_TIME),
        ("Infinity", NOT_A_TIME),
        ("", NOT_A_TIME),
        (" ", NOT_A_TIME),
        ("0x65F6C2C2", NOT_A_TIME),
        ("1_710_670_530", NOT_A_TIME),
        ("true", NOT_A_TIME),
        ("[1710670530]", NOT_A_TIME),
        ("2024-03-17T10:15:30Z", NOT_A_TIME),
        (None, NOT_A_TIME),
    ]
    texts = spark.createDataFrame([(text,) for text, _ in cases], "text string")
    actual = texts.select("text", times.unix_milliseconds("text").alias("ms")).collect()
    assert [tuple(row) for row in actual] == cases


def test_every_unit_means_the_same_instant(spark):
    seconds = [Decimal(second) / 1000 for second in range(946_684_800_000, 1_900_000_000_000, 7_654_321_987)]
    units = [(str(second * unit), int(second * 1000)) for second in seconds for unit in (1, 1_000, 1_000_000)]
    texts = spark.createDataFrame(units, "text string, ms long")
    wrong = texts.where(~F.col("ms").eqNullSafe(times.unix_milliseconds("text"))).collect()
    assert len(units) > 300
    assert not wrong


def test_instants(spark):
    at = datetime(2024, 3, 17, 10, 15, 30)
    cases = [
        # text, instant in UTC
        ("2024-03-17T10:15:30Z", at),
        ("2024-03-17T10:15:30", at),  # without a zone: UTC
        ("2024-03-17 10:15:30", at),
        ("2024-03-17T15:45:30+05:30", at),
        ("2024-03-17T05:15:30-0500", at),
        ("2024-03-17T12:15:30+02", at),
        ("2024-03-17T10:15:30 Z", at),
        ("2024-03-17T10:15", at.replace(second=0)),
        ("20240317T101530Z", at),  # <- basic, as Signature Version 4 has it
        ("20240317T101530", at),
        ("20240317T101530.25Z", at.replace(microsecond=250_000)),
        ("20240317t101530,25z", at.replace(microsecond=250_000)),
        ("20240317T154530+0530", at),
        ("20240317T051530-05", at),
        ("20240317T1015Z", at.replace(second=0)),
        ("20240317T1015", at.replace(second=0)),
        ("2024-03-17T10:15Z", at.replace(second=0)),  # <- Spark wants a second before a zone
        ("2024-03-17 12:15+02:00", at.replace(second=0)),
        ("20161231T235960Z", datetime(2017, 1, 1)),
        ("2024-03-17t10:15:30z", at),  # <- RFC 3339 allows it
        ("2024-03-17 10:15:30z", at),
        ("2024-03-17T10:15:30,5Z", at.replace(microsecond=500_000)),  # <- which ISO 8601 prefers
        ("2024-03-17T10:15:30,123456789", at.replace(microsecond=123_456)),
        ("2024-03-17 10:15:30.000 UTC", at),  # <- Athena
        ("2024-03-17 10:15:30 UTC", at),
        ("2024-03-17T10:15:30UTC", at),
        ("2024-03-17 10:15:30+00", at),  # <- Redshift
        ("2024-03-17 10:15:30 utc", NOT_A_TIME),
        ("2024-03-17 10:15:30 GMT", NOT_A_TIME),
        ("2024-03-17 10:15:30 Europe/Berlin", NOT_A_TIME),
        ("20240317 101530", NOT_A_TIME),
        ("20240317T10:15:30Z", NOT_A_TIME),  # <- half basic, half extended
        ("20240317T1015:30Z", NOT_A_TIME),
        ("2024-03-17T101530Z", NOT_A_TIME),
        ("20240317T10153Z", NOT_A_TIME),
        ("20240317T10Z", NOT_A_TIME),
        ("20240230T101530Z", NOT_A_TIME),
        ("20240317T250000Z", NOT_A_TIME),
        ("20240317T101530,Z", NOT_A_TIME),
        ("2024-03-17T10:15,5Z", NOT_A_TIME),  # decimals of a minute
        ("2024-W11-7T10:15:30Z", NOT_A_TIME),
        ("2024-077T10:15:30Z", NOT_A_TIME),
        ("+002024-03-17T10:15:30Z", NOT_A_TIME),
        ("2024-03-17T10:15:30\u221205:00", NOT_A_TIME),  # a true minus
        ("Sun, 17 Mar 2024 10:15:30 GMT", NOT_A_TIME),
        ("17/Mar/2024:10:15:30 +0000", NOT_A_TIME),
        ("2024-03-17T10:15:30.1Z", at.replace(microsecond=100_000)),
        ("2024-03-17T10:15:30.123456Z", at.replace(microsecond=123_456)),
        ("2024-03-17T10:15:30.123456789Z", at.replace(microsecond=123_456)),  # <- cut
        ("2024-03-10T02:30:00", datetime(2024, 3, 10, 2, 30)),  # no such time in New York: UTC has it
        ("2024-02-29T00:00:00Z", datetime(2024, 2, 29)),
        ("0002-01-01 00:00:00", datetime(2, 1, 1)),
        ("9999-12-31T23:59:59Z", datetime(9999, 12, 31, 23, 59, 59)),
        ("2016-12-31T23:59:60Z", datetime(2017, 1, 1)),  # <- a leap second: the instant after it
        ("2016-12-31 23:59:60.25", datetime(2017, 1, 1, 0, 0, 0, 250_000)),
        ("2017-01-01T05:29:60+05:30", datetime(2017, 1, 1)),
        ("2017-01-01T05:29:60Z", NOT_A_TIME),  # <- in UTC it is no leap second
        ("2016-12-31T10:15:60Z", NOT_A_TIME),
        ("2016-12-31T23:59:61Z", NOT_A_TIME),
        ("2016-12-31T23:60:00Z", NOT_A_TIME),
        ("2016-12-31T24:00:00Z", NOT_A_TIME),
        ("2023-02-29T00:00:00Z", NOT_A_TIME),
        ("2024-13-01T00:00:00Z", NOT_A_TIME),
        ("2024-03-17T10:15:30+25:00", NOT_A_TIME),
        ("2024-03-17T10:15:30Z\n", NOT_A_TIME),
        ("2024-03-17", NOT_A_TIME),  # a date
        ("10:15:30", NOT_A_TIME),  # <- a lenient parser takes it for a time of today
        ("T10:15:30", NOT_A_TIME),
        ("2024-3-17 10:15:30", NOT_A_TIME),
        ("17.03.2024 10:15:30", NOT_A_TIME),
        ("now", NOT_A_TIME),
        ("epoch", NOT_A_TIME),
        ("", NOT_A_TIME),
        ("NaN", NOT_A_TIME),
        ("99999999999999999999999", NOT_A_TIME),
        ("1E300", NOT_A_TIME),
        ("9223372036854775807", NOT_A_TIME),
        ("-1", NOT_A_TIME),
        (None, NOT_A_TIME),
        ("0", datetime(1970, 1, 1)),
        ("1710670530", at),
        ("1710670530123", at.replace(microsecond=123_000)),
        ("1710670530.123", at.replace(microsecond=123_000)),
        ("2147483648", datetime(2038, 1, 19, 3, 14, 8)),
    ]
    texts = spark.createDataFrame([(text,) for text, _ in cases], "text string")
    actual = texts.select("text", times.instant("text").alias("instant")).collect()
    assert [tuple(row) for row in actual] == cases


def test_is_plausible_from_2000_to_a_day_after_the_arrival(spark):
    arrived = datetime(2024, 3, 18, 11)
    latest = 1_710_759_600_000 + timedelta(days=1) // timedelta(milliseconds=1)
    cases = [
        (946_684_799_999, False),
        (946_684_800_000, True),  # 2000-01-01
        (latest, True),  # <- exactly a day ahead
        (latest + 1, False),
    ]
    rows = spark.createDataFrame([(ms, arrived) for ms, _ in cases], "ms long, arrived_at timestamp")
    actual = rows.select("ms", times.is_plausible(F.col("ms"), F.col("arrived_at")).alias("holds")).collect()
    assert [tuple(row) for row in actual] == cases
