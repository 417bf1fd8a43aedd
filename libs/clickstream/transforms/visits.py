"""Visits: raw JSON lines -> rows of the ``clickstream`` table."""

from datetime import date

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from clickstream import schemas
from clickstream.transforms import fields, json_records, texts, times
from clickstream.validation import Rules, Source, with_reasons

SOURCE: Source = "clickstream"
IS_INSERT = "action = 'insert'"
MERGE_COUNTS = {"written": f"count_if({IS_INSERT})", "duplicate": f"sum(copies) - count_if({IS_INSERT})"}

_TEXTS = ("user_id", "session_id", "event_type", "page_url", "referrer_url", "device_type", "browser", "ip")


def validate(lines: DataFrame) -> DataFrame:
    """Parse ``schemas.RAW_LINE`` and add the reasons to quarantine a row, if any; row-wise."""
    return lines.transform(parse).transform(with_reasons, rules())


def parse(lines: DataFrame) -> DataFrame:
    """Add the columns of ``schemas.CLICKSTREAM`` to ``schemas.RAW_LINE``; row-wise."""
    return (
        lines
        .transform(json_records.with_fields, (*_TEXTS, "event_time", "geo"))
        .withColumns({name: fields.text_in("geo", name) for name in ("country", "city")})
        .withColumn("has_event_time", F.col("event_time").isNotNull())
        .withColumn("event_time", times.to_milliseconds(times.instant("event_time")))
        .withColumn("event_date", F.to_date("event_time"))
        .drop("geo")
    )


def rules() -> Rules:
    """Say what has to hold for a visit, by the reason it is quarantined for otherwise."""
    is_other = ~F.col("is_object")
    has_time = F.col("has_event_time")
    milliseconds = F.unix_millis("event_time")
    return {
        **json_records.rules(),
        "user_id_missing": is_other | F.col("user_id").isNotNull(),
        **fields.id_rules("user_id", texts.LONGEST_USER_ID),
        "event_time_missing": is_other | has_time,
        "event_time_not_a_time": is_other | ~has_time | F.col("event_time").isNotNull(),
        "event_time_out_of_range": is_other
        | F.col("event_time").isNull()
        | times.is_plausible(milliseconds, F.col("arrived_at")),
    }


def dates(valid: DataFrame) -> list[date]:
    """Collect the dates of the visits."""
    return [row.event_date for row in valid.select("event_date").distinct().collect()]


def deduplicate(visits: DataFrame, stored: DataFrame) -> DataFrame:
    """Reduce new visits and those ``stored`` in the table to a row per visit; its key is all its columns.

    Whole batch. Adds the merge ``action`` (insert, or null where the table has the visit) and the ``copies`` that came.
    """
    columns = schemas.CLICKSTREAM.names
    new = visits.select(*columns).withColumn("is_stored", F.lit(False))
    return (
        new
        .unionByName(stored.select(*columns).withColumn("is_stored", F.lit(True)))
        .groupBy(*columns)
        .agg(F.count_if(~F.col("is_stored")).alias("copies"), F.max("is_stored").alias("is_stored"))
        .withColumn("action", F.when(~F.col("is_stored"), F.lit("insert")))
    )
