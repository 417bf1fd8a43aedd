"""The contracts: what is read and what is written, column by column. ``ddl/tables`` is held to them by a test.

Jobs compute with instants (Spark's ``timestamp``). An Iceberg table holds the same times in UTC without a zone
(``timestamp_ntz``), which is all that ``timestamp`` means in Athena's DDL of Iceberg; ``storage.iceberg`` casts.
"""

from dataclasses import dataclass

from pyspark.sql.types import (
    ArrayType,
    BinaryType,
    BooleanType,
    DataType,
    DateType,
    DoubleType,
    IntegerType,
    LongType,
    StringType,
    StructField,
    StructType,
    TimestampNTZType,
    TimestampType,
)


@dataclass(frozen=True)
class Contract:
    """A table: its columns in order, what it is partitioned by, and how the rows of a file are sorted."""

    columns: StructType
    partitions: tuple[str, ...]
    order: tuple[str, ...]

    @property
    def names(self) -> list[str]:
        """The names of the columns."""
        return list(self.columns.names)

    @property
    def rows(self) -> StructType:
        """The columns as jobs compute with them: times are instants."""
        return StructType([StructField(column.name, with_zone(column.dataType)) for column in self.columns])


def without_zone(kind: DataType) -> DataType:
    """Return the type by which an Iceberg table holds a column of this type."""
    return TimestampNTZType() if isinstance(kind, TimestampType) else kind


def with_zone(kind: DataType) -> DataType:
    """Return the type by which jobs compute with such a column."""
    return TimestampType() if isinstance(kind, TimestampNTZType) else kind


RAW_LINE = StructType([
    StructField("raw", StringType()),  # the line as sent, without its line ending
    StructField("origin", StringType()),  # the file it came from, or the stream and the millisecond of its arrival
    StructField("arrived_at", TimestampType()),
])

EVENTS = Contract(
    StructType([
        StructField("event_uuid", StringType()),
        StructField("event_name", StringType()),
        StructField("event_subtype", StringType()),
        StructField("created_at", LongType()),  # Unix milliseconds
        StructField("created_datetime", StringType()),
        StructField("created_ts", TimestampNTZType()),
        StructField("user_id", StringType()),
        StructField("page", StringType()),
        StructField("device_type", StringType()),
        StructField("country", StringType()),
        StructField("payload", StringType()),
        StructField("arrived_at", TimestampNTZType()),
        StructField("event_type", StringType()),
        StructField("created_date", DateType()),
    ]),
    partitions=("event_type", "created_date"),
    order=("created_ts",),
)

CLICKSTREAM = Contract(
    StructType([
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
    ]),
    partitions=("event_date",),
    order=("event_time",),
)

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

SESSION_EVENTS = Contract(
    StructType([
        StructField("session_key", StringType()),
        StructField("session_id", StringType()),
        StructField("session_number", LongType()),
        StructField("new_session", IntegerType()),
        StructField("split_cause", StringType()),
        *[StructField(field.name, without_zone(field.dataType)) for field in ACTIVITY],
        StructField("session_date", DateType()),
    ]),
    partitions=("session_date",),
    order=("user_id", "event_time", "event_uuid"),
)

SESSIONS = Contract(
    StructType([
        StructField("session_key", StringType()),
        StructField("session_id", StringType()),
        StructField("session_number", LongType()),
        StructField("user_id", StringType()),
        StructField("started_at", TimestampNTZType()),
        StructField("ended_at", TimestampNTZType()),
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
    ]),
    partitions=("session_date",),
    order=("user_id", "session_number"),
)

PAGE_COUNTS = Contract(
    StructType([
        StructField("window_start", TimestampNTZType()),
        StructField("window_seconds", IntegerType()),
        StructField("page", StringType()),
        StructField("views", LongType()),
        StructField("users", LongType()),
        StructField("users_sketch", BinaryType()),
        StructField("batch", StringType()),
        StructField("views_before", LongType()),
        StructField("window_date", DateType()),
    ]),
    partitions=("window_date",),
    order=("window_start", "page"),
)

QUARANTINE = Contract(
    StructType([
        StructField("quarantine_id", StringType()),
        StructField("reasons", ArrayType(StringType())),
        StructField("raw", StringType()),
        StructField("is_base64", BooleanType()),  # raw is not UTF-8 and stands here in base64
        StructField("origin", StringType()),
        StructField("arrived_at", TimestampNTZType()),
        StructField("quarantined_at", TimestampNTZType()),
        StructField("replayed_at", TimestampNTZType()),  # null until replay has loaded it
        StructField("source", StringType()),
        StructField("arrived_date", DateType()),
    ]),
    partitions=("source", "arrived_date"),
    order=("arrived_at",),
)
