"""Product events: raw JSON lines -> rows of the ``events`` table."""

from datetime import date, datetime

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from clickstream import schemas
from clickstream.transforms import fields, json_records, texts, times
from clickstream.validation import Rules, Source, with_reasons

SOURCE: Source = "events"
PATH_VALUE = r"^[a-z0-9_]{1,64}\z"  # what may become part of a path
IDENTITY = ("event_uuid", "created_at", "arrived_at", "payload", "created_date")  # of one stored row
IS_INSERT, IS_REPLACED = "action = 'insert'", "action = 'replace'"
NOT_A_NAME = r"^(\d+([eE]\d+)?|true|false)\z"  # where its first part would do for a type
LONGEST_UUID = 128  # bytes
FIELDS = ("event_uuid", "event_name", "created_at", "user_id")
PAGES, COUNTRIES = ("page_url", "page", "url"), ("country", "countrycode")  # the first that an event has
MERGE_COUNTS = {
    "written": f"count_if({IS_INSERT})",
    "duplicate": "count_if(action = 'duplicate')",
    "replaced": f"count_if({IS_REPLACED})",  # stored rows, by an earlier arrival (ties: smaller payload)
    "conflict": "count_if(is_conflict)",  # of those written
}


def validate(lines: DataFrame, start: date | None = None, end: date | None = None) -> DataFrame:
    """Parse ``schemas.RAW_LINE`` and add the reasons to quarantine a row, if any; row-wise.

    With a date, also whether a valid event is_out_of_range of ``start..end``, both included; None is open.
    """
    validated = lines.transform(parse).transform(with_reasons, rules())
    if start is None and end is None:
        return validated
    is_in_range = times.is_in_range(_created_date(), start, end)
    return validated.withColumn("is_out_of_range", F.col("reasons").isNull() & ~is_in_range)


def parse(lines: DataFrame) -> DataFrame:
    """Add the columns of an event, with created_at in Unix ms, to ``schemas.RAW_LINE``; row-wise."""
    names = (*FIELDS, *PAGES, "device_type", *COUNTRIES, "geo")
    return lines.transform(json_records.with_fields, names).select(
        *lines.columns,
        "is_object",
        "event_uuid",
        "event_name",
        F.lower(_part(0)).alias("event_type"),
        F.col("created_at").isNotNull().alias("has_created_at"),
        times.unix_milliseconds("created_at").alias("created_at"),
        "user_id",
        F.coalesce(*PAGES).alias("page"),
        "device_type",
        F.coalesce(*COUNTRIES, fields.text_in("geo", "country")).alias("country"),
    )


def rules() -> Rules:
    """Say what has to hold for an event, by the reason it is quarantined for otherwise."""
    is_other = ~F.col("is_object")
    has_name = F.col("event_name").isNotNull()
    has_time = F.col("has_created_at")
    return {
        **json_records.rules(),
        "event_uuid_missing": is_other | F.col("event_uuid").isNotNull(),
        **fields.id_rules("event_uuid", LONGEST_UUID),
        **fields.id_rules("user_id", texts.LONGEST_USER_ID),
        "event_name_missing": is_other | has_name,
        "event_name_not_text": is_other | ~has_name | fields.is_text("event_name", NOT_A_NAME),
        "event_type_invalid": is_other | ~has_name | F.col("event_type").rlike(PATH_VALUE),
        "created_at_missing": is_other | has_time,
        "created_at_not_a_time": is_other | ~has_time | F.col("created_at").isNotNull(),
        "created_at_out_of_range": is_other
        | F.col("created_at").isNull()
        | times.is_plausible(F.col("created_at"), _arrived_hour()),
    }


def dates(valid: DataFrame) -> list[date]:
    """Collect the dates that the events were created on."""
    return [row[0] for row in valid.select(_created_date()).distinct().collect()]


def arrived_since(moment: datetime) -> Column:
    """Whether a stored event arrived in the hour of an instant, or later."""
    return F.col("arrived_at") >= times.without_zone(moment.replace(minute=0, second=0, microsecond=0))


def deduplicate(events: DataFrame, stored: DataFrame | None = None) -> DataFrame:
    """Compare new events with each other and with the rows ``stored`` in the table: add a merge ``action``.

    Whole batch. Of the events with one event_uuid and created_at the earliest arrival (to the hour, as the raw archive
    has it) stays, then the smallest payload, then the one in the table. A new event is an ``insert`` or a
    ``duplicate``; a stored one is to ``replace`` where another one stays, and null otherwise. An inserted event
    is_conflict if its event_uuid stands under an earlier created_at among the events and the stored rows at hand.
    """
    candidates = (
        events
        .withColumnRenamed("raw", "payload")
        .withColumn("arrived_at", _arrived_hour())
        .drop("reasons", "origin")
        .withColumn("is_stored", F.lit(False))
    )
    if stored is not None:
        compared = stored.select("event_uuid", "created_at", "arrived_at", "payload")
        candidates = candidates.unionByName(compared.withColumn("is_stored", F.lit(True)), allowMissingColumns=True)
    earliest_first = ("created_at", "arrived_at", "payload", F.desc("is_stored"))
    by_uuid = Window.partitionBy("event_uuid").orderBy(*earliest_first)
    stays = F.col("previous").isNull() | (F.col("previous") != F.col("created_at"))
    action = F.expr("if(is_stored, if(stays, null, 'replace'), if(stays, 'insert', 'duplicate'))")
    return (
        candidates
        .withColumn("previous", F.lag("created_at").over(by_uuid))
        .withColumn("stays", stays)
        .withColumn("action", action)
        .withColumn("is_conflict", (F.col("action") == "insert") & F.col("previous").isNotNull())
        .withColumn("created_date", _created_date())
    )


def unarchived(stored: DataFrame, archived: DataFrame, since: date) -> DataFrame:
    """Keep the stored events that arrived on that day or later and are not among the archived ones."""
    return stored.where(F.col("arrived_at") >= F.lit(since)).join(archived, ["event_uuid", "created_at"], "left_anti")


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


def _arrived_hour() -> Column:
    """Arrivals count to the hour, as the raw archive has them, so that stream and archive decide alike."""
    return F.date_trunc("hour", "arrived_at")


def _part(index: int) -> Column:
    """One part of ``payment:order:completed``, trimmed; null where it is absent or empty."""
    return fields.text(f"get(split(event_name, ':'), {index})")
