"""Product events: raw JSON lines -> rows of the ``events`` table."""

from datetime import date

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from clickstream import schemas
from clickstream.storage import quarantine
from clickstream.transforms import json_records, times
from clickstream.validation import Rules

SOURCE = "events"
PATH_VALUE = r"^[a-z0-9_]{1,64}\z"  # what may become part of a path
IDENTITY = ("event_uuid", "created_at", "arrived_at", "payload", "created_date")  # of one stored row
NOT_A_NAME = r"^(\d+([eE]\d+)?|true|false)\z"  # where its first part would do for a type
LONGEST_UUID = 128  # characters
IS_TAKEN = "reasons is null and not is_out_of_range"  # of the rows of ``inspect``


def inspect(lines: DataFrame, start: date | None = None, end: date | None = None) -> DataFrame:
    """Parse ``schemas.RAW_LINE``, add the reasons to refuse a row, if any, and is_out_of_range the dates; row-wise."""
    with_reasons = lines.transform(parse).transform(quarantine.with_reasons, rules())
    return with_reasons.withColumn("is_out_of_range", is_out_of_range(start, end))


def parse(lines: DataFrame) -> DataFrame:
    """Add event_uuid, event_name, event_type, created_at (Unix ms) and user_id to ``schemas.RAW_LINE``; row-wise."""
    return lines.transform(json_records.with_fields, ("event_uuid", "event_name", "created_at", "user_id")).select(
        *lines.columns,
        "is_object",
        "event_uuid",
        "event_name",
        F.lower(_part(0)).alias("event_type"),
        F.col("created_at").isNotNull().alias("has_created_at"),
        times.unix_milliseconds("created_at").alias("created_at"),
        F.expr("nullif(trim(user_id), '')").alias("user_id"),
    )


def rules() -> Rules:
    """Say what has to hold for an event, by the reason it is refused for otherwise."""
    is_other = ~F.col("is_object")
    has_uuid = F.coalesce(F.length(F.trim("event_uuid")) > 0, F.lit(False))
    has_name = F.coalesce(F.length(F.trim("event_name")) > 0, F.lit(False))
    has_time = F.col("has_created_at")
    return {
        **json_records.rules(),
        "event_uuid_missing": is_other | has_uuid,
        "event_uuid_not_text": is_other | ~has_uuid | json_records.is_text("event_uuid", json_records.NOT_AN_ID),
        "event_uuid_too_long": is_other | ~has_uuid | (F.length("event_uuid") <= LONGEST_UUID),
        "event_name_missing": is_other | has_name,
        "event_name_not_text": is_other | ~has_name | json_records.is_text("event_name", NOT_A_NAME),
        "event_type_invalid": is_other | ~has_name | F.col("event_type").rlike(PATH_VALUE),
        "created_at_missing": is_other | has_time,
        "created_at_not_a_time": is_other | ~has_time | F.col("created_at").isNotNull(),
        "created_at_out_of_range": is_other
        | F.col("created_at").isNull()
        | times.is_plausible(F.col("created_at"), F.col("arrived_at")),
    }


def is_out_of_range(start: date | None, end: date | None) -> Column:
    """Whether an accepted event is not of the dates ``start..end``, both included; None is open."""
    before = _created_date() < F.lit(start) if start else F.lit(False)
    after = _created_date() > F.lit(end) if end else F.lit(False)
    return F.when(F.col("reasons").isNull(), before | after).otherwise(F.lit(False))


def dates(accepted: DataFrame) -> list[date]:
    """Collect the dates that the events were created on."""
    return [row[0] for row in accepted.select(_created_date()).distinct().collect()]


def with_outcome(events: DataFrame, stored: DataFrame) -> DataFrame:
    """Judge new events beside the rows ``stored`` in the table: add written, duplicate, replaced and conflict.

    Whole batch; each is 1 or 0. Of the events with one event_uuid and created_at the earliest arrival stays, then
    the smallest payload, then the one in the table. A new event is written or a duplicate; a stored one is replaced
    where another one stays. A written event is a conflict, too, if its event_uuid stands under an earlier created_at
    among the events and the stored rows at hand.
    """
    new = events.withColumnRenamed("raw", "payload").drop("reasons", "origin").withColumn("in_table", F.lit(False))
    candidates = new.unionByName(
        stored.select("event_uuid", "created_at", "arrived_at", "payload").withColumn("in_table", F.lit(True)),
        allowMissingColumns=True,
    )
    earliest_first = ("created_at", "arrived_at", "payload", F.desc("in_table"))
    by_uuid = Window.partitionBy("event_uuid").orderBy(*earliest_first)
    is_new = ~F.col("in_table")
    stays = F.col("previous").isNull() | (F.col("previous") != F.col("created_at"))
    return (
        candidates
        .withColumn("previous", F.lag("created_at").over(by_uuid))
        .withColumn("written", (is_new & stays).cast("int"))
        .withColumn("duplicate", (is_new & ~stays).cast("int"))
        .withColumn("replaced", (F.col("in_table") & ~stays).cast("int"))
        .withColumn("conflict", (is_new & stays & F.col("previous").isNotNull()).cast("int"))
        .withColumn("created_date", _created_date())
    )


def to_table(events: DataFrame) -> DataFrame:
    """Derive the columns of ``schemas.EVENTS``; row-wise."""
    second = F.expr("cast(timestamp_seconds(created_at div 1000) as string)")
    millisecond = F.expr("lpad(cast(created_at % 1000 as string), 3, '0')")
    created_datetime = F.concat(F.replace(second, F.lit(" "), F.lit("T")), F.lit("."), millisecond, F.lit("Z"))
    return (
        events
        .withColumn("event_subtype", _part(1))
        .withColumn("created_datetime", created_datetime)
        .withColumn("created_ts", F.timestamp_millis("created_at"))
        .select(*schemas.EVENTS.names)
    )


def _created_date() -> Column:
    return F.to_date(F.timestamp_millis("created_at"))


def _part(index: int) -> Column:
    """One part of ``payment:order:completed``, trimmed; null where it is absent or empty."""
    return F.expr(f"nullif(trim(get(split(event_name, ':'), {index})), '')")
