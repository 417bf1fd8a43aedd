"""Sessions while they go on: the state of each user's, updated by every batch of a stream.

A click is late if it arrived more than the allowed lateness after it happened, and early if more than that before. The
watermark is how far the slowest reader has come, less the allowed lateness: a session closes once no on-time click can
change it.
"""

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from functools import partial

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F
from pyspark.sql.types import BooleanType, StringType, StructField, StructType, TimestampType

from clickstream import schemas
from clickstream.transforms import activity, sessions, visits
from clickstream.transforms.sessions import SessionWindow
from clickstream.validation import Rules, Source

SOURCE: Source = "live_sessions"
LATE, EARLY = "late", "early"
IS_INSERT = "action = 'insert'"
MERGE_COUNTS = {"written": f"count_if({IS_INSERT})", "duplicate": f"sum(copies) - count_if({IS_INSERT})"}
LONGEST_TEXT = 2048  # characters of a text in a record: with all its texts it is far from Kinesis's 1 MiB

STATE = StructType([  # an event of a session; or, without event_uuid, the number of a user's latest session
    *schemas.SESSION_EVENTS.rows,
    StructField("block_started_at", TimestampType()),
    StructField("is_new", BooleanType()),  # came with this batch
    StructField("is_closed", BooleanType()),  # nothing can change the session, and the next batch does not keep it
])

_IS_EVENT = "event_uuid is not null"
_IS_OPEN = f"{_IS_EVENT} and not is_closed"
_SESSION = ("user_id", "session_number")
_EVENT = ("event_uuid", "event_time", "event_type", "event_name", "page", "new_session")
_FORM = ("session_key", "started_at", "ended_at", "event_count", "is_closed")  # a session that changed differs in these


def validate(lines: DataFrame, source: str, allowed_lateness: timedelta, state: DataFrame) -> DataFrame:
    """Parse ``schemas.RAW_LINE``; add the reasons to quarantine a row, if any, and whether it is_known: in the state.

    What is known is sent again, and not late.
    """
    known = state.where(_IS_EVENT).select("user_id", "event_uuid", F.lit(True).alias("is_known"))
    reasons = F.filter("reasons", lambda reason: reason != LATE)
    return (
        lines
        .transform(activity.from_lines, source, rules(allowed_lateness))
        .join(known, ["user_id", "event_uuid"], "left")
        .withColumn("reasons", F.when(F.col("is_known") & (F.size(reasons) == 0), None).otherwise(F.col("reasons")))
    )


def rules(allowed_lateness: timedelta) -> Rules:
    """Say what has to hold for a record, by the reason it is quarantined for otherwise."""
    time, arrival, lateness = F.col("event_time"), F.col("arrived_at"), F.lit(allowed_lateness)
    return {
        **visits.rules(),
        LATE: time.isNull() | (time >= arrival - lateness),
        EARLY: time.isNull() | (time <= arrival + lateness),
    }


def deduplicate(clicks: DataFrame) -> DataFrame:
    """Reduce validated clicks to a row per event, with its merge ``action`` and the ``copies`` that came.

    Whole batch. The action is insert, or null where the state has the event.
    """
    return (
        clicks
        .groupBy(*schemas.ACTIVITY.names, "is_known")
        .agg(F.count(F.lit(1)).alias("copies"))
        .withColumn("action", F.when(F.col("is_known").isNull(), F.lit("insert")))
    )


def update_state(state: DataFrame, new: DataFrame, window: SessionWindow, watermark: int, ttl: timedelta) -> DataFrame:
    """Add new ``schemas.ACTIVITY`` to the ``STATE``; a user who was away for longer than ``ttl`` is forgotten.

    Whole batch. The watermark is the one that the batch leaves.
    """
    is_open = F.expr(_IS_OPEN)
    block_start = F.when(F.col("split_cause").isNotNull(), F.col("block_started_at"))
    users = (
        state
        .groupBy("user_id")
        .agg(
            F.min(F.when(is_open, F.struct("session_number", block_start.alias("block")))).alias("first"),
            F.max("session_number").alias("session_number"),
            F.max("event_time").alias("event_time"),
        )
        .withColumn("block_started_at", F.col("first.block"))
        .withColumn("sessions_before", F.coalesce(F.col("first.session_number") - 1, "session_number"))
    )
    stored = state.where(is_open).select(*schemas.ACTIVITY.names, F.lit(False).alias("is_new"))
    at_hand = stored.unionByName(new.select(*schemas.ACTIVITY.names, F.lit(True).alias("is_new")))
    made = at_hand.join(users.select("user_id", *sessions.CONTINUED), "user_id", "left").fillna(0, "sessions_before")

    idle = users.where("first is null").where(F.unix_micros("event_time") >= _before(watermark, ttl))
    return (
        made
        .transform(sessions.with_sessions, window)
        .withColumn("is_closed", _is_closed(window, watermark))
        .unionByName(
            idle.join(new.select("user_id"), "user_id", "left_anti").select(
                "user_id", "session_number", "event_time", F.lit(True).alias("is_closed")
            ),
            allowMissingColumns=True,
        )
        .select(*STATE.names)
    )


def closing(state: DataFrame, window: SessionWindow, watermark: int) -> DataFrame:
    """Return the events of open sessions that close once the watermark is there."""
    return state.where(_IS_OPEN).withColumn("is_closed", _is_closed(window, watermark)).where("is_closed")


def session_updates(state: DataFrame, before: DataFrame, attempts: Sequence[DataFrame] = ()) -> DataFrame:
    """Return the session updates of a batch, as JSON has them: a row per new event, with its session as it is now.

    Also a row, without an event, per session that closed; that changed though it has no new event; that is no more
    (event_count 0), because two became one. A change is one to the state ``before`` the batch, or to the state that an
    earlier attempt of it has left, and perhaps sent.
    """
    events = state.where(_IS_EVENT)
    to_sessions = partial(sessions.to_sessions, is_closed=F.first("is_closed"))
    now = to_sessions(events, has_new=F.max("is_new"))
    sent = to_sessions(before.where(_IS_OPEN))
    for attempt in attempts:
        sent = sent.unionByName(to_sessions(attempt.where(_IS_EVENT)))
    forms = F.collect_set(F.struct(*_FORM)).alias("forms")
    last = F.max(F.struct(*[name for name in schemas.SESSIONS.names if name not in _SESSION])).alias("last")
    sent = sent.groupBy(*_SESSION).agg(forms, last)
    is_same = F.coalesce(F.col("forms") == F.array(F.struct(*_FORM)), F.lit(False))
    others = now.join(sent, [*_SESSION], "left").where(F.col("is_closed") | (~F.col("has_new") & ~is_same))
    gone = (
        sent
        .join(now, [*_SESSION], "left_anti")
        .select(*_SESSION, "last.*")
        .withColumns({"event_count": F.lit(0).cast("long"), "is_closed": F.lit(True)})
    )
    new = events.where("is_new").select(*_SESSION, *_EVENT).join(now, [*_SESSION])
    columns = [*schemas.SESSIONS.names, "is_closed"]
    rows = new.select(*columns, *_EVENT)
    for more in (others, gone):
        rows = rows.unionByName(more.select(*columns), allowMissingColumns=True)
    return rows.select(*[_as_json(field) for field in rows.schema])


def _is_closed(window: SessionWindow, watermark: int) -> Column:
    """Whether no click after the watermark can change the session: nor one before a session that began until then."""
    micros = F.unix_micros("event_time")
    is_over = F.max(micros).over(Window.partitionBy(*_SESSION)) < _before(watermark, window.gap)
    has_begun = micros <= _before(watermark, timedelta(0))
    current = F.max(F.when(has_begun, F.col("session_number"))).over(Window.partitionBy("user_id"))
    is_followed = F.col("session_number") < current
    return F.coalesce(is_over, F.lit(False)) | F.coalesce(is_followed, F.lit(False))


def _before(watermark: int, duration: timedelta) -> Column:
    """Microseconds, as a decimal: a long would be part of the code that Spark generates and compiles, in each batch."""
    return F.lit(Decimal(watermark * 1000 - duration // timedelta(microseconds=1)))


def _as_json(field: StructField) -> Column:
    if isinstance(field.dataType, TimestampType):
        return F.date_format(field.name, "yyyy-MM-dd'T'HH:mm:ss.SSS'Z'").alias(field.name)
    if isinstance(field.dataType, StringType) and field.name not in ("user_id", "session_id"):
        return F.left(field.name, F.lit(LONGEST_TEXT)).alias(field.name)
    return F.col(field.name)
