"""A visit is told from another by all its columns."""

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
    judged = visits.judged_per_visit(new, stored).select("user_id", "browser", "written", "duplicate").collect()
    assert {tuple(row) for row in judged} == {
        ("ada", None, 1, 2),
        ("ada", "Firefox", 1, 0),
        ("bob", None, 0, 2),  # <- in the table already
        ("cyd", None, 0, 0),
    }
