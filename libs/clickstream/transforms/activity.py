"""What users did, from every input, as the rows that sessions are made of: ``schemas.ACTIVITY``.

Row-wise. Beside those columns a row keeps its text, origin and arrival (``schemas.RAW_LINE``), the reasons to
quarantine it, and why it is skipped otherwise: is_anonymous, is_out_of_range.
"""

from datetime import date, timedelta

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from clickstream import schemas
from clickstream.transforms import fields, json_records, times, visits
from clickstream.validation import Rules, Source, with_reasons

SOURCE: Source = "session_events"
LATE = "late_beyond_lookback"

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
_IN_PAYLOAD = ("page_url", "page", "url", "device_type", "country", "countrycode", "geo")


def from_events(events: DataFrame, origin: str, lookback: timedelta) -> DataFrame:
    """Take rows of the ``events`` table, which is their origin; pages and the like are looked for in the payload."""
    found = events.select("*", F.json_tuple("payload", *_IN_PAYLOAD).alias(*_IN_PAYLOAD))
    columns = {
        "event_time": F.col("created_ts"),
        "page": F.coalesce(fields.text("page_url"), fields.text("page"), fields.text("url")),
        "country": F.coalesce(fields.text("country"), fields.text("countrycode"), fields.text_in("geo", "country")),
        "raw": F.col("payload"),
        "origin": F.lit(origin),
    }
    return (
        found
        .withColumns(columns)
        .withColumn("device_type", fields.text("device_type"))
        .withColumn("is_anonymous", F.col("user_id").isNull())
        .transform(with_reasons, event_rules(lookback))
    )


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


def event_rules(lookback: timedelta) -> Rules:
    """Say what has to hold for an event of the table, by the reason it is quarantined for otherwise."""
    return {LATE: F.col("user_id").isNull() | _is_in_time(lookback)}


def line_rules(lookback: timedelta) -> Rules:
    """Say what has to hold for a line, by the reason it is quarantined for otherwise."""
    return {**visits.rules(), LATE: F.col("event_time").isNull() | _is_in_time(lookback)}


def _is_in_time(lookback: timedelta) -> Column:
    return F.col("arrived_at") - F.lit(lookback) <= F.col("event_time")
