"""Sessions: a user's activity without a pause longer than the gap, cut where it goes on for too long.

Each function needs all rows of a user, from where it begins on.
"""

from dataclasses import dataclass
from datetime import timedelta

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from clickstream import schemas

MAX_LENGTH = "max_length"  # the split_cause of a session that continues one that was cut
CONTINUED = ("block_started_at", "sessions_before")  # how a user's rows continue sessions that stay


@dataclass(frozen=True)
class SessionWindow:
    """What ends a session: a pause longer than the gap (exactly the gap does not), or the maximum length."""

    gap: timedelta
    max_length: timedelta


def to_session_events(activity: DataFrame, window: SessionWindow) -> DataFrame:
    """Put ``schemas.ACTIVITY`` into sessions and number them: ``schemas.SESSION_EVENTS``."""
    return activity.transform(with_sessions, window).select(*schemas.SESSION_EVENTS.names)


def with_sessions(activity: DataFrame, window: SessionWindow) -> DataFrame:
    """Add the columns of ``schemas.SESSION_EVENTS``, and block_started_at.

    A pause longer than the gap begins an activity block; a block is cut at each whole multiple of the maximum length
    after its start, and a chunk of it in which anything happened is a session. Rows may bring ``CONTINUED``, the same
    in all rows of a user: the start of the block that the first of them continues (null: it begins one), and how many
    sessions came before.
    """
    by_user = Window.partitionBy("user_id").orderBy("event_time", "event_uuid")
    up_to_here = by_user.rowsBetween(Window.unboundedPreceding, Window.currentRow)
    is_continued = "block_started_at" in activity.columns
    continued_block = F.unix_micros("block_started_at") if is_continued else F.lit(None).cast("long")
    sessions_before = F.col("sessions_before") if is_continued else F.lit(0)

    starts_block = F.col("previous").isNull() | (F.col("now") - F.col("previous") > _microseconds(window.gap))
    block_start = F.when(F.col("previous").isNull(), F.coalesce(continued_block, F.col("now"))).when(
        starts_block, F.col("now")
    )
    previous_chunk = _chunk("previous", window)  # read where it is of the same block
    starts_session = F.col("new_session") == 1
    first_time = F.when(starts_session, F.col("now"))
    session_key = F.when(starts_session, _session_key("user_id", "now", "event_uuid"))
    is_cut = F.col("first_time") - F.col("block") >= _microseconds(window.max_length)
    return (
        activity
        .withColumn("now", F.unix_micros("event_time"))
        .withColumn("previous", F.lag("now").over(by_user))
        .withColumn("block", F.last(block_start, ignorenulls=True).over(up_to_here))
        .withColumn("new_session", (starts_block | (_chunk("now", window) != previous_chunk)).cast("int"))
        .withColumn("session_number", F.sum("new_session").over(up_to_here) + sessions_before)
        .withColumn("first_time", F.last(first_time, ignorenulls=True).over(up_to_here))
        .withColumn("session_key", F.last(session_key, ignorenulls=True).over(up_to_here))
        .withColumn("session_id", F.concat_ws("-", "user_id", "session_number"))
        .withColumn("split_cause", F.when(is_cut, F.lit(MAX_LENGTH)))
        .withColumn("session_date", F.to_date(F.timestamp_micros("first_time")))
        .withColumn("block_started_at", F.timestamp_micros("block"))
    )


def to_sessions(session_events: DataFrame, **more: Column) -> DataFrame:
    """Reduce ``schemas.SESSION_EVENTS`` to a row per session: ``schemas.SESSIONS``, and ``more`` aggregates."""
    order = F.struct("event_time", "event_uuid")
    with_page = F.when(F.col("page").isNotNull(), order)
    page = F.when(F.col("page").isNotNull(), F.xxhash64("page"))  # a set of the pages may be larger than a row can be
    return (
        session_events
        .groupBy("user_id", "session_number")
        .agg(
            *[F.first(name).alias(name) for name in ("session_key", "session_id", "split_cause", "session_date")],
            F.min("event_time").alias("started_at"),
            F.max("event_time").alias("ended_at"),
            F.count(F.lit(1)).alias("event_count"),
            F.size(F.collect_set(page)).cast("long").alias("page_count"),
            F.min_by("page", with_page).alias("entry_page"),
            F.max_by("page", with_page).alias("exit_page"),
            *[
                F.min_by(name, F.when(F.col(name).isNotNull(), order)).alias(name)
                for name in ("device_type", "country")
            ],
            *[aggregate.alias(name) for name, aggregate in more.items()],
        )
        .withColumn("duration_seconds", (F.unix_micros("ended_at") - F.unix_micros("started_at")) / 1_000_000)
        .withColumn("is_bounce", (F.col("event_count") == 1) | (F.col("page_count") == 1))
        .select(*schemas.SESSIONS.names, *more)
    )


def recompute_points(changes: DataFrame, stored: DataFrame, gap: timedelta) -> DataFrame:
    """Say from where each user of the changes (user_id, event_time) is recomputed: recompute_from and ``CONTINUED``.

    Recompute from the first stored session that ends no earlier than the gap before the user's first change. One that
    was cut continues its block, so that no more than a chunk of it is recomputed.
    """
    first_changes = changes.groupBy("user_id").agg(F.min("event_time").alias("first_change"))
    up_to_here = (
        Window
        .partitionBy("user_id")
        .orderBy("session_number")
        .rowsBetween(Window.unboundedPreceding, Window.currentRow)
    )
    block_start = F.when(F.col("split_cause").isNull(), F.col("started_at"))
    reached = F.when(
        F.col("ended_at") >= F.col("first_change") - F.lit(gap),
        F.struct("session_number", "started_at", "split_cause", "block_started_at"),
    )
    known = (
        stored
        .select("user_id", "session_number", "started_at", "ended_at", "split_cause")
        .join(first_changes, "user_id")
        .withColumn("block_started_at", F.last(block_start, ignorenulls=True).over(up_to_here))
        .groupBy("user_id")
        .agg(F.min(reached).alias("reached"), F.max("session_number").alias("highest"))
    )
    is_cut = F.col("reached.split_cause").isNotNull()
    return (
        first_changes
        .join(known, "user_id", "left")
        .withColumn("recompute_from", F.least("first_change", "reached.started_at"))
        .withColumn("block_started_at", F.when(is_cut, F.col("reached.block_started_at")))
        .withColumn(
            "sessions_before", F.coalesce(F.col("reached.session_number") - 1, F.col("highest"), F.lit(0).cast("long"))
        )
        .select("user_id", "recompute_from", *CONTINUED)
    )


def _chunk(microseconds: str, window: SessionWindow) -> Column:
    """Count the maximum lengths from the start of the block to a time."""
    return F.expr(f"({microseconds} - block) div {_microseconds(window.max_length)}")


def _session_key(user_id: str, microseconds: str, event_uuid: str) -> Column:
    """Name a session by its first event: 128 bits of SHA-256, in hexadecimal."""
    first = F.concat_ws("\n", user_id, microseconds, event_uuid)
    return F.left(F.sha2(first, 256), F.lit(32))


def _microseconds(duration: timedelta) -> int:
    return duration // timedelta(microseconds=1)
