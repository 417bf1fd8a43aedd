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
from clickstream.sources import kinesis
from clickstream.sources.kinesis import Batch, StreamArguments
from clickstream.storage import files, iceberg, kinesis_sink, session_state
from clickstream.storage.load import open_load
from clickstream.transforms import live_sessions
from clickstream.transforms.sessions import SessionWindow


@dataclass(frozen=True, kw_only=True)
class Arguments(StreamArguments):
    """What the job is started with."""

    sessions_stream: Annotated[str, "the stream that session updates are sent to"]
    quarantine_table: Annotated[Table, "where records go that break a rule"]
    source: Annotated[Literal["clicks", "app_clicks", "visits"], "the form of a record"] = "clicks"
    gap_seconds: Annotated[PositiveInt, AtMost(86_400), "a longer pause ends a session"] = PositiveInt(10)
    max_session_hours: Annotated[PositiveInt, AtMost(168), "a session is cut at that length"] = PositiveInt(24)
    allowed_lateness_seconds: Annotated[PositiveInt, AtMost(86_400), "how long after a click its record may arrive"] = (
        PositiveInt(60)
    )
    state_ttl_days: Annotated[
        PositiveInt, AtMost(365), "how long a user may be away until session numbers begin at 1 again"
    ] = PositiveInt(7)
    batch_interval_seconds: Annotated[PositiveInt, AtMost(86_400), "from one batch to the next"] = PositiveInt(10)

    @property
    def state_path(self) -> str:
        """Where the session state lies; it is of one source, gap and maximum length."""
        kind = f"{self.source}-{self.gap_seconds}s-{self.max_session_hours}h"
        return f"{self.checkpoint_path.rstrip('/')}/sessions/{kind}"

    @property
    def allowed_lateness(self) -> timedelta:
        """How long after a click its record may arrive, and how far a device's clock may be ahead."""
        return timedelta(seconds=self.allowed_lateness_seconds)

    @property
    def window(self) -> SessionWindow:
        """What ends a session."""
        return SessionWindow(timedelta(seconds=self.gap_seconds), timedelta(hours=self.max_session_hours))


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
    before, watermark, last_version, attempts = session_state.read(spark, arguments.state_path, batch.number)
    with open_load(spark, live_sessions.SOURCE, arguments.quarantine_table) as load:
        validated = batch.lines.transform(live_sessions.validate, arguments.source, arguments.allowed_lateness, before)
        new = load.persist(validated.transform(batch.with_unprocessable))
        merge = load.counted(new.valid.transform(live_sessions.deduplicate), live_sessions.MERGE_COUNTS)
        left = session_state.Folder(
            batch.number,
            kinesis_sink.next_version(last_version),
            max(watermark, read_until(batch, new.first_arrival) - arguments.allowed_lateness_seconds * 1000),
        )
        updated = before.transform(
            live_sessions.update_state,
            merge.where(live_sessions.IS_INSERT),
            arguments.window,
            left.watermark,
            timedelta(days=arguments.state_ttl_days),
        )
        state = session_state.write(updated, arguments.state_path, left)
        updates = state.transform(live_sessions.session_updates, before, attempts)
        stream, endpoint_url = arguments.sessions_stream, arguments.endpoint_url
        kinesis_sink.put_rows(updates, stream, "user_id", left.version, endpoint_url)
        counts = load.publish(quarantine_since=new.first_arrival)
    metrics.emit_batch("sessions_stream", batch, counts, new.first_arrival)


def compute_batch(batch: Batch, arguments: Arguments) -> Iterator[DataFrame]:
    """Compute what the records of a batch become, with the session state."""
    before, watermark, *_ = session_state.read(batch.lines.sparkSession, arguments.state_path, batch.number)
    validated = batch.lines.transform(live_sessions.validate, arguments.source, arguments.allowed_lateness, before)
    yield validated
    merge = validated.where("reasons is null").transform(live_sessions.deduplicate)
    new, ttl = merge.where(live_sessions.IS_INSERT), timedelta(days=arguments.state_ttl_days)
    state = before.transform(live_sessions.update_state, new, arguments.window, watermark, ttl)
    yield state.transform(live_sessions.session_updates, before)


def read_until(batch: Batch, first_arrival: datetime | None) -> int:
    """Return the time (Unix ms) before which all that arrived has been read, from every shard.

    Records of a shard come in order of arrival, so the batch's first one is of the slowest reader. A batch without
    records has read each shard to its end, an interval ago at the earliest.
    """
    if first_arrival is None:
        return int((batch.began - batch.batch_interval_seconds) * 1000)
    return int(first_arrival.timestamp() * 1000)


if __name__ == "__main__":
    given = parse_arguments(Arguments, sys.argv)
    with glue_session(sys.argv) as session:
        main(session, given)
