"""Kinesis ``page_views`` -> views and visitors per page and window: a table, and a stream for those who watch.

Reads   --stream_arn          or --stream_name at --endpoint_url: JSON views, or page transitions as TSV or CSV
Writes  --page_counts_table   Iceberg by window_date (``schemas.PAGE_COUNTS``)
        --page_counts_stream  the counts so far of the pages and windows of a batch, and those of all pages (``*``)
        --quarantine_table    Iceberg by source/arrived_date (``schemas.QUARANTINE``)
Runs    continuous            a batch every --batch_interval_seconds, for ever
        available_now         all that is there, then it ends
Rerun   safe: continues where --checkpoint_path says; without it what is read again is counted again
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from clickstream import schemas
from clickstream.runtime import metrics
from clickstream.runtime.arguments import AtMost, PositiveInt, Table, check_disjoint_paths, parse_arguments
from clickstream.runtime.counts import RowCounts
from clickstream.runtime.glue import glue_session
from clickstream.runtime.page_windows import PageWindows
from clickstream.sources import kinesis
from clickstream.sources.kinesis import Batch, StreamArguments
from clickstream.storage import files, iceberg, kinesis_sink
from clickstream.storage.load import Load, NewRows, open_load
from clickstream.transforms import page_views


@dataclass(frozen=True, kw_only=True)
class Arguments(StreamArguments, PageWindows):
    """What the job is started with."""

    page_counts_table: Annotated[Table, "where counts go"]
    page_counts_stream: Annotated[str, "the stream that counts are sent to as they change"]
    quarantine_table: Annotated[Table, "where records go that break a rule"]
    batch_interval_seconds: Annotated[PositiveInt, AtMost(86_400), "from one batch to the next"] = PositiveInt(60)


def main(spark: SparkSession, arguments: Arguments) -> None:
    files.check_folders(spark, arguments)
    check_disjoint_paths(
        checkpoint_path=arguments.checkpoint_path,
        quarantine_table=iceberg.location(spark, arguments.quarantine_table),
        page_counts_table=iceberg.location(spark, arguments.page_counts_table),
    )
    lines = kinesis.read_records(spark, arguments)
    kinesis.run_batches(
        lines,
        arguments,
        process=lambda batch: process_batch(batch, arguments),
        compute=lambda batch: compute_batch(batch, arguments),
    )


def process_batch(batch: Batch, arguments: Arguments) -> None:
    """Add a batch to the counts and send on what they are now; what an earlier attempt has added is replaced."""
    spark = batch.lines.sparkSession
    with open_load(spark, page_views.SOURCE, arguments.quarantine_table) as load:
        validated = batch.lines.transform(page_views.validate, arguments.allowed_lateness)
        new = load.persist(validated.transform(batch.with_unprocessable))
        latest = iceberg.latest_properties(spark, arguments.page_counts_table)
        if new.first_arrival is None and not page_views.is_published(latest, batch.name, arguments.window):
            counts = load.publish()
        else:
            counts = add_views(batch, arguments, load, new)
    metrics.emit_batch("page_views_stream", batch, counts, new.first_arrival)


def add_views(batch: Batch, arguments: Arguments, load: Load, new: NewRows) -> RowCounts:
    """Publish the counts with the views of a batch, then send those that changed."""
    spark, window = batch.lines.sparkSession, arguments.window
    with iceberg.open_branch(spark, arguments.page_counts_table, schemas.PAGE_COUNTS) as table:
        # Read after the branch was opened: a commit in between makes publish fail.
        latest = iceberg.latest_properties(spark, arguments.page_counts_table)
        version = kinesis_sink.next_version(int(latest.get(page_views.VERSION, 0)))
        properties = page_views.batch_properties(latest, batch.name, version, window)
        table.snapshot_properties = properties | batch.snapshot_properties
        views = load.counted(new.valid.transform(page_views.with_duplicates, latest, window), page_views.DUPLICATES)
        starts = page_views.starts(new.valid, window)
        is_again = page_views.is_published(latest, batch.name, window)
        if is_again:
            starts = starts.union(table.stored(F.col("batch") == batch.name).select("window_start"))
        touched = page_views.is_touched(starts)
        per_window = views.where("not is_duplicate").transform(page_views.per_window, window)
        added = per_window.transform(page_views.added, table.stored(touched), batch.name, is_again=is_again)
        changed = load.staged(load.counted(added, page_views.COUNTS))
        table.delete(changed.select(*page_views.KEY))
        table.append(changed.where("views > 0"))
        counts = load.publish(table, quarantine_since=new.first_arrival)
        live = changed.transform(page_views.live, table.published(touched))
        kinesis_sink.put_rows(live, arguments.page_counts_stream, "page", version, arguments.endpoint_url)
    return counts


def compute_batch(batch: Batch, arguments: Arguments) -> Iterator[DataFrame]:
    """Compute what the records of a batch become, by themselves."""
    spark = batch.lines.sparkSession
    validated = batch.lines.transform(page_views.validate, arguments.allowed_lateness)
    yield validated
    per_window = validated.where("reasons is null").transform(page_views.per_window, arguments.window)
    added = per_window.transform(page_views.added, spark.createDataFrame([], schemas.PAGE_COUNTS.rows), batch.name)
    yield added.transform(page_views.live, added)


if __name__ == "__main__":
    given = parse_arguments(Arguments, sys.argv)
    with glue_session(sys.argv) as session:
        main(session, given)
