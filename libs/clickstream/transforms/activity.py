"""What users did, from every input, as the rows that sessions are made of: ``schemas.ACTIVITY``.

Beside those columns a row that was read keeps its text, origin and arrival (``schemas.RAW_LINE``), the reasons to
quarantine it, and why it is skipped otherwise: is_anonymous, is_out_of_range.

An event is its ``KEY``, however many rows have it: the row that arrived first stands for it, of these the one with the
smallest text.
"""

from datetime import date, timedelta

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from clickstream import schemas
from clickstream.transforms import fields, json_records, times, visits
from clickstream.validation import Rules, Source, with_reasons

SOURCE: Source = "session_events"
LATE = "late_beyond_lookback"
KEY = ("event_uuid", "event_time")

# The fields of a line that fill the columns; what has no field is null.
FIELDS: dict[str, dict[str, str]] = {
    "clicks": {
        "event_time": "event_timestamp",
        "event_type": "event_type",
        "event_name": "event_name",
        "device_type": "device_type",
    },
    "app_clicks": {"event_time": "client_timestamp", "event_name": "client_event", "country": "countrycode"},
    "visits": {
        "event_time": "event_time",
        "event_type": "event_type",
        "page": "page_url",
        "device_type": "device_type",
        "geo": "geo",
    },
}


def from_events(events: DataFrame, origin: str, lookback: timedelta) -> DataFrame:
    """Take rows of the ``events`` table, which is their origin; row-wise."""
    columns = {
        "event_time": F.col("created_ts"),
        "raw": F.col("payload"),
        "origin": F.lit(origin),
        "is_anonymous": F.col("user_id").isNull(),
    }
    return events.withColumns(columns).transform(with_reasons, event_rules(lookback))


def from_lines(
    lines: DataFrame, source: str, rules: Rules, start: date | None = None, end: date | None = None
) -> DataFrame:
    """Parse ``schemas.RAW_LINE``; a line has no id, so that it is known by its text."""
    names = FIELDS[source]
    parsed = (
        lines
        .transform(json_records.with_fields, ("user_id", *names.values()))
        .withColumnsRenamed({field: column for column, field in names.items()})
        .withColumn("has_event_time", F.col("event_time").isNotNull())
        .withColumn("event_time", times.instant("event_time"))
        .withColumn("event_uuid", F.sha2("raw", 256))
    )
    country = {"country": fields.text_in("geo", "country")} if "geo" in names else {}
    unknown = {
        name: F.lit(None).cast("string") for name in schemas.ACTIVITY.names if name not in (*parsed.columns, *country)
    }
    validated = parsed.withColumns(country | unknown).transform(with_reasons, rules)
    if start is None and end is None:
        return validated
    is_in_range = times.is_in_range(F.to_date("event_time"), start, end)
    return validated.withColumn("is_out_of_range", F.col("reasons").isNull() & ~is_in_range)


def repeated(activity: DataFrame) -> DataFrame:
    """Return each key_hash of more than one row: of a repeated event or, rarely, of events whose hashes collide."""
    return activity.groupBy(_key_hash()).count().where("count > 1").select("key_hash")


def join_key_hashes(activity: DataFrame, hashes: DataFrame, how: str) -> DataFrame:
    """Keep the rows whose key_hash is among these (left_semi), or is not (left_anti)."""
    return activity.withColumn("key_hash", _key_hash()).join(F.broadcast(hashes), "key_hash", how).drop("key_hash")


def deduplicate(activity: DataFrame) -> DataFrame:
    """Reduce rows to ``schemas.ACTIVITY`` per event, with the number of its ``copies``."""
    return (
        activity
        .groupBy(*KEY)
        .agg(_first_row(F.lit(True)), F.count(F.lit(1)).alias("copies"))
        .select("first.*", "copies")
    )


def per_event(changes: DataFrame) -> DataFrame:
    """Reduce inserted (is_insert) and deleted rows of events to a row per ``KEY``.

    Its ``copies`` were inserted, ``first`` (``schemas.ACTIVITY``) stands for them; has_deletes, or is_same: what was
    inserted is what was deleted.
    """
    is_insert = F.col("is_insert")
    row_hash = F.xxhash64(*schemas.ACTIVITY.names, "arrived_at", "raw").cast("decimal(20)")
    return changes.groupBy(*KEY).agg(
        _first_row(is_insert),
        F.count_if(is_insert).alias("copies"),
        (F.count_if(~is_insert) > 0).alias("has_deletes"),
        (F.sum(F.when(is_insert, row_hash).otherwise(-row_hash)) == 0).alias("is_same"),
    )


def compare(events: DataFrame, stored: DataFrame | None, *, is_full_snapshot: bool) -> DataFrame:
    """Compare events, each with its ``copies``, with those ``stored``: a row per ``schemas.ACTIVITY``.

    Adds is_inserted and is_deleted; what a full snapshot lacks is deleted. An event that is no more has a ``KEY`` only.
    """
    columns = schemas.ACTIVITY.names
    rows = events.select(*columns, "copies", F.lit(True).alias("is_given"))
    if stored is not None:
        of_table = {"copies": F.lit(0).cast("long"), "is_given": F.lit(False)}
        rows = rows.unionByName(stored.select(*columns).withColumns(of_table))
    is_given, is_stored = F.col("given") > 0, F.col("stored") > 0
    is_deleted = is_stored & ~is_given if is_full_snapshot else F.lit(False)
    return (
        rows
        .groupBy(*columns)
        .agg(
            F.sum("copies").alias("copies"),
            F.count_if("is_given").alias("given"),
            F.count_if(~F.col("is_given")).alias("stored"),
        )
        .withColumn("is_inserted", is_given & ~is_stored & F.col("user_id").isNotNull())
        .withColumn("is_deleted", is_deleted)
        .drop("given", "stored")
    )


def event_rules(lookback: timedelta) -> Rules:
    """Say what has to hold for an event of the table, by the reason it is quarantined for otherwise."""
    return {LATE: F.col("user_id").isNull() | _is_in_time(lookback)}


def line_rules(lookback: timedelta) -> Rules:
    """Say what has to hold for a line, by the reason it is quarantined for otherwise."""
    return {**visits.rules(), LATE: F.col("event_time").isNull() | _is_in_time(lookback)}


def _first_row(condition: Column) -> Column:
    row, order = F.struct(*schemas.ACTIVITY.names), F.struct("arrived_at", "raw", *schemas.ACTIVITY.names)
    return F.min_by(row, F.when(condition, order)).alias("first")


def _key_hash() -> Column:
    return F.xxhash64(*KEY).alias("key_hash")


def _is_in_time(lookback: timedelta) -> Column:
    return F.col("arrived_at") - F.lit(lookback) <= F.col("event_time")
