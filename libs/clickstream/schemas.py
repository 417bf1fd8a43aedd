"""The contracts: what is read and what is written, column by column. ``ddl/tables`` is held to them by a test."""

from pyspark.sql.types import (
    ArrayType,
    BinaryType,
    BooleanType,
    DateType,
    DoubleType,
    IntegerType,
    LongType,
    StringType,
    StructField,
    StructType,
    TimestampType,
)

RAW_LINE = StructType([
    StructField("raw", StringType()),  # the line as sent, without its line ending
    StructField("origin", StringType()),  # the file it came from, or the stream and the millisecond of its arrival
    StructField("arrived_at", TimestampType()),
])

EVENTS = StructType([
    StructField("event_uuid", StringType()),
    StructField("event_name", StringType()),
    StructField("event_subtype", StringType()),
    StructField("created_at", LongType()),  # Unix milliseconds
    StructField("created_datetime", StringType()),
    StructField("created_ts", TimestampType()),
    StructField("user_id", StringType()),
    StructField("payload", StringType()),
    StructField("arrived_at", TimestampType()),
    StructField("event_type", StringType()),
    StructField("created_date", DateType()),
])
EVENTS_PARTITIONS = ("event_type", "created_date")

CLICKSTREAM = StructType([
    StructField("user_id", StringType()),
    StructField("session_id", StringType()),
    StructField("event_time", TimestampType()),
    StructField("event_type", StringType()),
    StructField("page_url", StringType()),
    StructField("referrer_url", StringType()),
    StructField("device_type", StringType()),
    StructField("browser", StringType()),
    StructField("ip", StringType()),
    StructField("country", StringType()),
    StructField("city", StringType()),
    StructField("event_date", DateType()),
])
CLICKSTREAM_PARTITIONS = ("event_date",)

ACTIVITY = StructType([  # what a user did, from any input: what sessions are made of
    StructField("user_id", StringType()),
    StructField("event_uuid", StringType()),
    StructField("event_time", TimestampType()),
    StructField("event_type", StringType()),
    StructField("event_name", StringType()),
    StructField("page", StringType()),
    StructField("device_type", StringType()),
    StructField("country", StringType()),
])

SESSION_EVENTS = StructType([
    StructField("session_key", StringType()),
    StructField("session_id", StringType()),
    StructField("session_number", LongType()),
    StructField("new_session", IntegerType()),
    StructField("split_cause", StringType()),
    *ACTIVITY,
    StructField("session_date", DateType()),
])
SESSION_EVENTS_PARTITIONS = ("session_date",)

SESSIONS = StructType([
    StructField("session_key", StringType()),
    StructField("session_id", StringType()),
    StructField("session_number", LongType()),
    StructField("user_id", StringType()),
    StructField("started_at", TimestampType()),
    StructField("ended_at", TimestampType()),
    StructField("duration_seconds", DoubleType()),
    StructField("event_count", LongType()),
    StructField("page_count", LongType()),
    StructField("entry_page", StringType()),
    StructField("exit_page", StringType()),
    StructField("device_type", StringType()),
    StructField("country", StringType()),
    StructField("is_bounce", BooleanType()),
    StructField("split_cause", StringType()),
    StructField("session_date", DateType()),
])
SESSIONS_PARTITIONS = ("session_date",)

PAGE_COUNTS = StructType([
    StructField("window_start", TimestampType()),
    StructField("window_seconds", IntegerType()),
    StructField("page", StringType()),
    StructField("views", LongType()),
    StructField("users", LongType()),
    StructField("users_sketch", BinaryType()),
    StructField("batch", StringType()),
    StructField("views_before", LongType()),
    StructField("window_date", DateType()),
])
PAGE_COUNTS_PARTITIONS = ("window_date",)

QUARANTINE = StructType([
    StructField("quarantine_id", StringType()),
    StructField("reasons", ArrayType(StringType())),
    StructField("raw", StringType()),
    StructField("is_base64", BooleanType()),  # raw is not UTF-8 and stands here in base64
    StructField("origin", StringType()),
    StructField("arrived_at", TimestampType()),
    StructField("quarantined_at", TimestampType()),
    StructField("source", StringType()),
    StructField("arrived_date", DateType()),
])
QUARANTINE_PARTITIONS = ("source", "arrived_date")

REPLAYED = StructType([
    StructField("quarantine_id", StringType()),
    StructField("replayed_at", TimestampType()),
    StructField("source", StringType()),
])
REPLAYED_PARTITIONS = ("source",)
