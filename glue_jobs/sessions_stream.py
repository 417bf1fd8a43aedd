"""Kinesis ``clicks`` -> Kinesis ``sessions``: every click with its session as it is now, and each session that closes.

Reads   --stream_arn       or --stream_name at --endpoint_url: a record is a click (or app click, or visit), JSON
Writes  --sessions_stream  a JSON object per click, and per session that closed or changed (``live_sessions.told``)
        --quarantine_table  Parquet by source/arrived_date (``schemas.QUARANTINE``), late clicks among it
        --checkpoint_path  beside the stream's position, the sessions that may still change
Runs    continuous         a batch every --batch_interval_seconds, for ever
        available_now      all that is there, then it ends
Rerun   safe: goes on where --checkpoint_path says; without it, numbers begin at 1 again
"""

import sys
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from pyspark.sql import Observation, SparkSession
from pyspark.sql import functions as F

from clickstream.runtime import counts, metrics
from clickstream.runtime.arguments import Folder, PositiveInt, check_apart, parse_arguments
from clickstream.runtime.glue import glue_session
from clickstream.sources import kinesis
from clickstream.sources.kinesis import Batch, StreamArguments
from clickstream.storage import hive_table, quarantine
from clickstream.transforms import activity, live_sessions


@dataclass(frozen=True, kw_only=True)
class Arguments(StreamArguments):
    """What the job is started with."""

    sessions_stream: str
    quarantine_table: Folder
    source: Literal["clicks", "app_clicks", "visits"] = "clicks"
    gap_seconds: PositiveInt = PositiveInt(10)  # a longer pause ends a session
    max_session_hours: PositiveInt = PositiveInt(24)  # one that goes on is cut there
    allowed_lateness_seconds: PositiveInt = PositiveInt(60)  # how long after a click its record may arrive
    state_ttl_days: PositiveInt = PositiveInt(7)  # how long a user may be away until the numbers begin at 1 again
    batch_interval_seconds: PositiveInt = PositiveInt(10)  # from one batch to the next

    @property
    def carried_path(self) -> str:
        """Where what is carried from batch to batch lies; it is of one source, gap and maximum length."""
        kind = f"{self.source}-{self.gap_seconds}s-{self.max_session_hours}h"
        return f"{self.checkpoint_path.rstrip('/')}/sessions/{kind}"


def main(spark: SparkSession, arguments: Arguments) -> None:
    """Read, transform, write."""
    check_apart(checkpoint_path=arguments.checkpoint_path, quarantine_table=arguments.quarantine_table)
    lines = kinesis.read_records(spark, arguments)
    kinesis.run_batches(lines, arguments, lambda batch: land(batch, arguments))


def land(batch: Batch, arguments: Arguments) -> None:
    """Carry the sessions on by a batch and tell of it; what is told twice is the same, in a later version."""
    spark, path = batch.lines.sparkSession, arguments.quarantine_table
    before = live_sessions.read(spark, arguments.carried_path, batch.number)
    (watermark,) = before.agg(F.max("watermark")).collect()[0]
    rules = live_sessions.rules(watermark)
    arrivals, tally = Observation(), counts.Tally(rules)
    lines = batch.lines.observe(
        arrivals,
        F.min(F.unix_millis("arrived_at")).alias("first"),
        F.max(F.unix_millis("arrived_at")).alias("last"),
    )
    inspected = activity.from_lines(lines, arguments.source, rules).transform(tally.inspected)
    with hive_table.spooled(inspected, path) as spooled:
        accepted = spooled.where(activity.IS_TAKEN)
        outcome = accepted.transform(live_sessions.with_outcome, before).transform(tally.judged)
        carried = live_sessions.write(
            live_sessions.carried_on(
                before,
                outcome.where("written = 1"),
                gap=timedelta(seconds=arguments.gap_seconds),
                longest=timedelta(hours=arguments.max_session_hours),
                watermark=advanced(watermark, arrivals.get["last"], arguments),
                kept=timedelta(days=arguments.state_ttl_days),
            ),
            arguments.carried_path,
            batch.number,
        )
        landed = tally.counts()
        refused_rows = quarantine.to_table(spooled, live_sessions.SOURCE)
        with quarantine.staged(refused_rows, path, live_sessions.SOURCE, tally.first_arrival()) as refused:
            told = carried.transform(live_sessions.told, before)
            kinesis.put_rows(told, arguments.sessions_stream, key="user_id", endpoint_url=arguments.endpoint_url)
            refused.publish()
    metrics.emit_batch("sessions_stream", batch, landed, arrivals.get["first"])


def advanced(watermark: int | None, last_arrival: int | None, arguments: Arguments) -> int | None:
    """Move the watermark on to where the last arrival puts it; all in Unix ms."""
    if last_arrival is None:
        return watermark
    return max(watermark or 0, last_arrival - 1000 * arguments.allowed_lateness_seconds)


if __name__ == "__main__":
    given = parse_arguments(Arguments, sys.argv)
    with glue_session(sys.argv) as session:
        main(session, given)
