"""Kinesis ``clicks`` -> Kinesis ``sessions``: every click with its session as it is now, and each session that closes.

Reads   --stream_arn        or --stream_name at --endpoint_url: a record is a click (or app click, or visit), JSON
Writes  --sessions_stream   a JSON object per click, and per session that closed or changed (``session_updates``)
        --quarantine_table  Iceberg by source/arrived_date (``schemas.QUARANTINE``), late clicks among it
        --checkpoint_path   beside the stream's position, the session state: sessions that may still change
Runs    continuous          a batch every --batch_interval_seconds, for ever
        available_now       all that is there, then it ends
Rerun   safe: continues where --checkpoint_path says; without it, numbers begin at 1 again
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Literal

from pyspark.sql import DataFrame, SparkSession

from clickstream.runtime import metrics
from clickstream.runtime.arguments import AtMost, PositiveInt, Table, check_disjoint_paths, parse_arguments
from clickstream.runtime.glue import glue_session
from clickstream.runtime.session_windows import SessionWindows
from clickstream.sources import kinesis
from clickstream.sources.kinesis import Batch, StreamArguments
from clickstream.storage import files, iceberg, kinesis_sink, session_state
from clickstream.storage.load import Load, open_load
from clickstream.storage.session_state import State
from clickstream.transforms import live_sessions
from clickstream.transforms.sessions import SessionWindow


@dataclass(frozen=True, kw_only=True)
class Arguments(StreamArguments, SessionWindows):
    """What the job is started with."""

    sessions_stream: Annotated[str, "the stream that session updates are sent to"]
    quarantine_table: Annotated[Table, "where records go that break a rule"]
    source: Annotated[Literal["clicks", "app_clicks", "visits"], "the form of a record"] = "clicks"
    gap_seconds: Annotated[PositiveInt, AtMost(86_400), "a longer pause ends a session"] = PositiveInt(10)
    allowed_lateness_seconds: Annotated[
        PositiveInt, AtMost(86_400), "how long after a click, or before it, its record may arrive"
    ] = PositiveInt(60)
    state_ttl_days: Annotated[
        PositiveInt, AtMost(365), "how long a user may be away until session numbers begin at 1 again"
    ] = PositiveInt(8)
    batch_interval_seconds: Annotated[PositiveInt, AtMost(86_400), "from one batch to the next"] = PositiveInt(10)

    @property
    def state_path(self) -> str:
        """Where the session state lies; it is of one source, gap and maximum length."""
        kind = f"{self.source}-{self.gap_seconds}s-{self.max_session_hours}h"
        return f"{self.checkpoint_path.rstrip('/')}/sessions/{kind}"

    def offsets_of(self, batch: int) -> str:
        """Return the file that Spark writes when it has planned a batch, before the batch is first processed."""
        return f"{self.checkpoint_path.rstrip('/')}/offsets/{batch}"

    @property
    def window(self) -> SessionWindow:
        """What ends a session."""
        return SessionWindow(self.gap, self.max_length)

    @property
    def allowed_lateness(self) -> timedelta:
        """How long after a click its record may arrive, and how far a device's clock may be ahead."""
        return timedelta(seconds=self.allowed_lateness_seconds)


def main(spark: SparkSession, arguments: Arguments) -> None:
    files.check_folders(spark, arguments)
    check_disjoint_paths(
        checkpoint_path=arguments.checkpoint_path,
        quarantine_table=iceberg.location(spark, arguments.quarantine_table),
    )
    lines = kinesis.read_records(spark, arguments)
    kinesis.run_batches(
        lines,
        arguments,
        process=lambda batch: process_batch(batch, arguments),
        compute=lambda batch: compute_batch(batch, arguments),
    )


def process_batch(batch: Batch, arguments: Arguments) -> None:
    """Update the session state and send what changed. A batch that is processed again sends it in a later version."""
    spark = batch.lines.sparkSession
    state = session_state.read(spark, arguments.state_path, batch.number)
    with open_load(spark, live_sessions.SOURCE, arguments.quarantine_table) as load:
        lateness = arguments.allowed_lateness
        validated = batch.lines.transform(live_sessions.validate, arguments.source, lateness, state.rows)
        new = load.persist(validated.transform(batch.with_unprocessable))
        watermark = next_watermark(batch, arguments, state, new.first_arrival)
        if new.first_arrival or has_changes(state, arguments, watermark):
            folder = session_state.StateFolder(batch.number, kinesis_sink.next_version(state.last_version), watermark)
            send_updates(arguments, load, state, new.valid, folder)
        counts = load.publish(quarantine_since=new.first_arrival)
    metrics.emit_batch("sessions_stream", batch, counts, new.first_arrival)


def next_watermark(batch: Batch, arguments: Arguments, state: State, first_arrival: datetime | None) -> int:
    """Advance the watermark (Unix ms) to the allowed lateness before all that may not have been read yet.

    Records of a shard come in order of arrival, so the first one of the batch is of the slowest reader. A shard without
    any was read to its end, an interval before the batch was planned at the earliest. An earlier attempt of the batch
    may have read more.
    """
    planned = files.modified_at(batch.lines.sparkSession, arguments.offsets_of(batch.number))
    read_until = planned - batch.batch_interval_seconds
    if first_arrival:
        read_until = min(read_until, first_arrival.timestamp())
    reached = int((read_until - arguments.allowed_lateness_seconds) * 1000)
    return max(state.watermark, min([reached, *(attempt.watermark for attempt in state.attempts)]))


def has_changes(state: State, arguments: Arguments, watermark: int) -> bool:
    """Whether a batch without records has anything to write: a first state, what closes, what an attempt has sent."""
    if state.is_initial or state.attempts:
        return True
    return not state.rows.transform(live_sessions.closing, arguments.window, watermark).isEmpty()


def send_updates(
    arguments: Arguments, load: Load, state: State, clicks: DataFrame, folder: session_state.StateFolder
) -> None:
    """Write the state that the batch leaves, then send what it changes."""
    merge = load.counted(clicks.transform(live_sessions.deduplicate), live_sessions.MERGE_COUNTS)
    updated = state.rows.transform(
        live_sessions.update_state,
        merge.where(live_sessions.IS_INSERT),
        arguments.window,
        folder.watermark,
        timedelta(days=arguments.state_ttl_days),
    )
    written = session_state.write(updated, arguments.state_path, folder)
    attempts = [attempt.rows for attempt in state.attempts]
    updates = written.transform(live_sessions.session_updates, state.rows, attempts)
    kinesis_sink.put_rows(updates, arguments.sessions_stream, "user_id", folder.version, arguments.endpoint_url)


def compute_batch(batch: Batch, arguments: Arguments) -> Iterator[DataFrame]:
    """Compute what the records of a batch become, with the session state."""
    state = session_state.read(batch.lines.sparkSession, arguments.state_path, batch.number)
    validated = batch.lines.transform(live_sessions.validate, arguments.source, arguments.allowed_lateness, state.rows)
    yield validated
    merge = validated.where("reasons is null").transform(live_sessions.deduplicate)
    new, ttl = merge.where(live_sessions.IS_INSERT), timedelta(days=arguments.state_ttl_days)
    updated = state.rows.transform(live_sessions.update_state, new, arguments.window, state.watermark, ttl)
    yield updated.transform(live_sessions.session_updates, state.rows)


if __name__ == "__main__":
    given = parse_arguments(Arguments, sys.argv)
    with glue_session(sys.argv) as session:
        main(session, given)
