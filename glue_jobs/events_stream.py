"""Kinesis ``events`` -> the ``events`` table, batch by batch, each record once.

Reads   --stream_arn        or --stream_name at --endpoint_url: a record is an event, JSON
Writes  --events_table      Iceberg by event_type/created_date (``schemas.EVENTS``)
        --quarantine_table  Iceberg by source/arrived_date (``schemas.QUARANTINE``)
Runs    continuous          a batch every --batch_interval_seconds, for ever
        available_now       all that is there, then it ends
Rerun   safe: continues where --checkpoint_path says; without it from --starting_position, and adds nothing twice
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from clickstream import schemas
from clickstream.runtime import metrics
from clickstream.runtime.arguments import AtMost, PositiveInt, Table, check_disjoint_paths, parse_arguments
from clickstream.runtime.counts import RowCounts
from clickstream.runtime.glue import glue_session
from clickstream.sources import kinesis
from clickstream.sources.kinesis import Batch, StreamArguments
from clickstream.storage import files, iceberg
from clickstream.storage.load import Load, NewRows, open_load
from clickstream.transforms import events


@dataclass(frozen=True, kw_only=True)
class Arguments(StreamArguments):
    """What the job is started with."""

    events_table: Annotated[Table, "where events go"]
    quarantine_table: Annotated[Table, "where records go that break a rule"]
    dedup_lookback_minutes: Annotated[
        PositiveInt, AtMost(30 * 24 * 60), "how long before a batch's first arrival duplicates are looked for"
    ] = PositiveInt(60)


def main(spark: SparkSession, arguments: Arguments) -> None:
    files.check_folders(spark, arguments)
    check_disjoint_paths(
        checkpoint_path=arguments.checkpoint_path,
        quarantine_table=iceberg.location(spark, arguments.quarantine_table),
        events_table=iceberg.location(spark, arguments.events_table),
    )
    lines = kinesis.read_records(spark, arguments)
    kinesis.run_batches(
        lines,
        arguments,
        process=lambda batch: process_batch(batch, arguments),
        compute=lambda batch: compute_batch(batch, arguments),
    )


def process_batch(batch: Batch, arguments: Arguments) -> None:
    """Load a batch. Records that are read again are duplicates of stored ones."""
    lookback = timedelta(minutes=arguments.dedup_lookback_minutes)
    with open_load(batch.lines.sparkSession, events.SOURCE, arguments.quarantine_table) as load:
        new = load.persist(batch.lines.transform(events.validate).transform(batch.with_unprocessable))
        if new.first_arrival is None:
            counts = load.publish()
        else:
            counts = add_events(batch, arguments, load, new, new.first_arrival - lookback)
    metrics.emit_batch("events_stream", batch, counts, new.first_arrival)


def add_events(batch: Batch, arguments: Arguments, load: Load, new: NewRows, since: datetime) -> RowCounts:
    """Compare a batch with the stored rows of its dates that arrived since a time, and publish what they lack."""
    spark = batch.lines.sparkSession
    with iceberg.open_branch(spark, arguments.events_table, schemas.EVENTS, batch.snapshot_properties) as table:
        touched = F.col("created_date").isin(events.dates(new.valid)) & events.arrived_since(since)
        merge = load.counted(new.valid.transform(events.deduplicate, table.stored(touched)), events.MERGE_COUNTS)
        table.append(merge.where(events.IS_INSERT).transform(events.to_table))
        if load.count("replaced"):
            table.delete(load.staged(merge.where(events.IS_REPLACED).select(*events.IDENTITY)))
        return load.publish(table, quarantine_since=new.first_arrival)


def compute_batch(batch: Batch, arguments: Arguments) -> Iterator[DataFrame]:  # noqa: ARG001
    """Compute what the records of a batch become, by themselves."""
    validated = batch.lines.transform(events.validate)
    yield validated
    yield validated.where("reasons is null").transform(events.deduplicate).transform(events.to_table)


if __name__ == "__main__":
    given = parse_arguments(Arguments, sys.argv)
    with glue_session(sys.argv) as session:
        main(session, given)
