"""Sessions while they go on: what is known of each user's, carried from one batch of a stream to the next.

The watermark is the newest arrival less the lateness. What happened before that of the batches before is late; a
session is closed once it lies so far back that nothing which is not late can change it.
"""

from datetime import timedelta

from pyspark.sql import Column, DataFrame, SparkSession, Window
from pyspark.sql import functions as F
from pyspark.sql.types import BooleanType, LongType, StringType, StructField, StructType, TimestampType

from clickstream import errors, schemas
from clickstream.storage import files, hive_table
from clickstream.transforms import sessions, visits
from clickstream.validation import Rules

SOURCE = "live_sessions"
LONGEST_USER_ID = 2028  # bytes: with a session's number DynamoDB takes it for a key, which has at most 2048
LONGEST_TEXT = 2048  # characters of a text in a record: with all its texts it is far from Kinesis's 1 MiB

CARRIED = StructType([  # an event of a session; or, without event_uuid, the number of a user's newest session
    *schemas.SESSION_EVENTS,
    StructField("block_started_at", TimestampType()),
    StructField("is_new", BooleanType()),  # came with this batch
    StructField("is_closed", BooleanType()),  # nothing can change the session, and the next batch does not keep it
    StructField("watermark", LongType()),  # Unix ms, the same in all rows
])

_IS_EVENT = "event_uuid is not null"
_SESSION = ("user_id", "session_number")
_EVENT = ("event_uuid", "event_time", "event_type", "event_name", "page", "new_session")
_TOLD_BY = ("session_key", "started_at", "ended_at", "event_count")  # a session that changed differs in one of these


def read(spark: SparkSession, path: str, batch: int) -> DataFrame:
    """Read what the batch before has left below ``path``; raise ``InputError`` where it is not there."""
    before = [number for number in _batches(spark, path) if number < batch]
    if batch and not before:
        raise errors.InputError(
            f"{path} holds nothing of the batches before {batch}; with another gap or maximum length, begin another"
            " checkpoint"
        )
    return hive_table.read(spark, f"{path}/{max(before)}", CARRIED) if before else spark.createDataFrame([], CARRIED)


def write(carried: DataFrame, path: str, batch: int) -> DataFrame:
    """Write what a batch leaves, in place of what it left in a run that ended too early; keep the one before."""
    spark = carried.sparkSession
    carried.write.mode("overwrite").parquet(f"{path}/{batch}")
    for number in sorted(number for number in _batches(spark, path) if number < batch)[:-1]:
        fs, folder = files.file_system(spark, f"{path}/{number}")
        fs.delete(folder, True)
    return hive_table.read(spark, f"{path}/{batch}", CARRIED)


def rules(watermark: int | None) -> Rules:
    """Say what has to hold for a record, by the reason it is refused for otherwise."""
    is_in_time = F.lit(True) if watermark is None else F.col("event_time") >= F.timestamp_millis(F.lit(watermark))
    return {
        **visits.rules(),
        "user_id_too_long": F.col("user_id").isNull() | (F.octet_length("user_id") <= LONGEST_USER_ID),
        "late": F.col("event_time").isNull() | is_in_time,
    }


def with_outcome(accepted: DataFrame, carried: DataFrame) -> DataFrame:
    """Reduce new activity to a row per event, with written (1 where it was not known) and duplicate. Whole batch."""
    known = carried.where(_IS_EVENT).select("user_id", "event_uuid", F.lit(1).alias("known"))
    return (
        accepted
        .groupBy(*schemas.ACTIVITY.names)
        .agg(F.count(F.lit(1)).alias("copies"))
        .join(known, ["user_id", "event_uuid"], "left")
        .withColumn("written", F.when(F.col("known").isNull(), 1).otherwise(0))
        .withColumn("duplicate", F.col("copies") - F.col("written"))
        .withColumns({"replaced": F.lit(0), "conflict": F.lit(0)})
    )


def carried_on(  # noqa: PLR0913  # the rules of sessions, and those of the stream
    carried: DataFrame, new: DataFrame, *, gap: timedelta, longest: timedelta, watermark: int | None, kept: timedelta
) -> DataFrame:
    """Add new ``schemas.ACTIVITY`` to what is ``CARRIED``; a user who was away for ``kept`` is forgotten.

    Whole batch. The watermark is the one that the batch leaves behind.
    """
    is_open = F.expr(f"{_IS_EVENT} and not is_closed")
    resumed_block = F.when(F.col("split_cause").isNotNull(), F.col("block_started_at"))
    users = (
        carried
        .groupBy("user_id")
        .agg(
            F.min(F.when(is_open, F.struct("session_number", resumed_block.alias("block")))).alias("first"),
            F.max("session_number").alias("session_number"),
            F.max("event_time").alias("event_time"),
        )
        .withColumn("block_started_at", F.col("first.block"))
        .withColumn("sessions_before", F.coalesce(F.col("first.session_number") - 1, "session_number"))
    )
    stored = carried.where(is_open).select(*schemas.ACTIVITY.names, F.lit(False).alias("is_new"))
    at_hand = stored.unionByName(new.select(*schemas.ACTIVITY.names, F.lit(True).alias("is_new")))
    made = at_hand.join(users.select("user_id", *sessions.RESUMED), "user_id", "left").fillna(0, "sessions_before")

    until = F.timestamp_millis(F.lit(watermark).cast("long"))
    ended_at = F.max("event_time").over(Window.partitionBy(*_SESSION))
    settled = F.max(F.when(F.col("event_time") <= until, F.col("session_number"))).over(Window.partitionBy("user_id"))
    is_closed = F.coalesce(ended_at + F.lit(gap) < until, F.lit(False)) | F.coalesce(
        F.col("session_number") < settled, F.lit(False)
    )
    resting = users.where("first is null").where(F.col("event_time") >= until - F.lit(kept))
    return (
        made
        .transform(sessions.with_sessions, gap, longest)
        .withColumn("is_closed", is_closed)
        .unionByName(
            resting.join(new.select("user_id"), "user_id", "left_anti").select(
                "user_id", "session_number", "event_time", F.lit(True).alias("is_closed")
            ),
            allowMissingColumns=True,
        )
        .withColumn("watermark", F.lit(watermark).cast("long"))
        .select(*CARRIED.names)
    )


def told(carried: DataFrame, before: DataFrame) -> DataFrame:
    """Return what the stream ``sessions`` is told of a batch: a row per new event, with its session as it is now.

    Also a row, without an event, per session that closed; that changed though it has no new event; that is no more
    (event_count 0), since two became one.
    """
    events = carried.where(_IS_EVENT)
    states = events.groupBy(*_SESSION).agg(F.first("is_closed").alias("is_closed"), F.max("is_new").alias("has_new"))
    now = sessions.to_sessions(events).join(states, [*_SESSION])
    known = sessions.to_sessions(before.where(f"{_IS_EVENT} and not is_closed"))
    same = known.select(*_SESSION, *_TOLD_BY, F.lit(True).alias("is_same"))
    others = now.join(same, [*_SESSION, *_TOLD_BY], "left").where("is_closed or not has_new and is_same is null")
    gone = known.join(now, [*_SESSION], "left_anti").withColumns({"event_count": F.lit(0), "is_closed": F.lit(True)})
    new = events.where("is_new").select(*_SESSION, *_EVENT).join(now, [*_SESSION])
    columns = [*schemas.SESSIONS.names, "is_closed"]
    rows = new.select(*columns, *_EVENT)
    for more in (others, gone):
        rows = rows.unionByName(more.select(*columns), allowMissingColumns=True)
    return rows.select(*[_as_told(field) for field in rows.schema])


def _as_told(field: StructField) -> Column:
    if isinstance(field.dataType, TimestampType):
        return F.date_format(field.name, "yyyy-MM-dd'T'HH:mm:ss.SSS'Z'").alias(field.name)
    if isinstance(field.dataType, StringType) and field.name not in ("user_id", "session_id"):
        return F.left(field.name, F.lit(LONGEST_TEXT)).alias(field.name)
    return F.col(field.name)


def _batches(spark: SparkSession, path: str) -> list[int]:
    if not files.exists(spark, path):
        return []
    fs, folder = files.file_system(spark, path)
    names = [status.getPath().getName() for status in fs.listStatus(folder)]
    return [int(name) for name in names if name.isdecimal()]
