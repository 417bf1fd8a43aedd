"""A visit is distinguished from another by all its columns."""

from datetime import UTC, datetime

from pyspark.sql import functions as F
from trial import visit

from clickstream import schemas
from clickstream.transforms import visits

NOW = datetime(2024, 3, 17, 11, tzinfo=UTC)


def parsed(spark, *lines):
    raw = spark.createDataFrame([(line, "file", NOW) for line in lines], schemas.RAW_LINE)
    return visits.parse(raw).withColumn("reasons", F.lit(None).cast("array<string>"))


def test_one_row_per_visit_with_the_number_of_its_copies(spark):
    new = parsed(
        spark,
        visit("ada"),
        visit("ada", 1_710_670_530),  # <- the same instant written otherwise
        visit("ada", browser=None),  # <- null is absent
        visit("ada", browser="Firefox"),
        visit("bob"),
        visit("bob"),
    )
    stored = parsed(spark, visit("bob"), visit("cyd"))
    rows = visits.deduplicate(new, stored).select("user_id", "browser", "action", "copies").collect()
    assert {tuple(row) for row in rows} == {
        ("ada", None, "insert", 3),
        ("ada", "Firefox", "insert", 1),
        ("bob", None, None, 2),  # <- in the table already
        ("cyd", None, None, 0),
    }


def test_a_visit_a_moment_before_midnight_stays_in_its_day(spark):
    late = parsed(spark, visit("ada", "2024-03-17T23:59:59.9996Z"))  # <- Athena would round it to the next day
    (row,) = late.selectExpr("cast(event_time as string) as time", "cast(event_date as string) as day").collect()
    assert tuple(row) == ("2024-03-17 23:59:59.999", "2024-03-17")
