"""Kinesis ``events`` -> the ``events`` table, batch by batch, each record once.

Reads   --stream_arn       or --stream_name at --endpoint_url: a record is an event, JSON
Writes  --events_table     Iceberg by event_type/created_date (``schemas.EVENTS``)
        --quarantine_table  Parquet by source/arrived_date (``schemas.QUARANTINE``)
Runs    continuous         a batch every --batch_interval_seconds, for ever
        available_now      all that is there, then it ends
Rerun   safe: goes on where --checkpoint_path says; without it from --starting_position, and adds nothing twice
"""

import sys
from dataclasses import dataclass
from datetime import timedelta

from pyspark.sql import Observation, SparkSession
from pyspark.sql import functions as F

from clickstream.runtime import metrics
from clickstream.runtime.arguments import Folder, PositiveInt, Table, check_apart, parse_arguments
from clickstream.runtime.glue import glue_session
from clickstream.sources import kinesis
from clickstream.sources.kinesis import Batch, StreamArguments
from clickstream.storage import iceberg, load
from clickstream.transforms import events


@dataclass(frozen=True, kw_only=True)
class Arguments(StreamArguments):
    """What the job is started with."""

    events_table: Table
    quarantine_table: Folder
    dedup_lookback_minutes: PositiveInt = PositiveInt(60)  # how long after an event its duplicates are looked for


def main(spark: SparkSession, arguments: Arguments) -> None:
    """Read, transform, write."""
    check_apart(
        checkpoint_path=arguments.checkpoint_path,
        quarantine_table=arguments.quarantine_table,
        events_table=iceberg.location(spark, arguments.events_table),
    )
    lines = kinesis.read_records(spark, arguments)
    kinesis.run_batches(lines, arguments, lambda batch: land(batch, arguments))


def land(batch: Batch, arguments: Arguments) -> None:
    """Bring a batch into the tables. What is read again is found to be there."""
    arrivals = Observation()
    lines = (
        batch.lines.observe(arrivals, F.min(F.unix_millis("arrived_at")).alias("first")).withColumn(
            "arrived_at", F.date_trunc("hour", "arrived_at")
        )  # as the raw archive has it
    )
    landed = load.land_events(
        lines.transform(events.inspect),
        arguments.events_table,
        arguments.quarantine_table,
        horizon=timedelta(minutes=arguments.dedup_lookback_minutes),
        commit=batch.commit,
    )
    metrics.emit_batch("events_stream", batch, landed, arrivals.get["first"])


if __name__ == "__main__":
    given = parse_arguments(Arguments, sys.argv)
    with glue_session(sys.argv) as session:
        main(session, given)
