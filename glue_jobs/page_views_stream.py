"""Kinesis ``page_views`` -> views and visitors per page and window: a table, and a stream for those who watch.

Reads   --stream_arn          or --stream_name at --endpoint_url: JSON views, or page transitions as CSV
Writes  --page_counts_table   Iceberg by window_date (``schemas.PAGE_COUNTS``)
        --page_counts_stream  the counts so far of the pages and windows of a batch, and those of all pages (``*``)
        --quarantine_table     Parquet by source/arrived_date (``schemas.QUARANTINE``)
Runs    continuous            a batch every --batch_interval_seconds, for ever
        available_now         all that is there, then it ends
Rerun   safe: goes on where --checkpoint_path says; without it what is read again is counted again
"""

import sys
from dataclasses import dataclass
from datetime import timedelta

from pyspark.sql import Observation, SparkSession
from pyspark.sql import functions as F

from clickstream import schemas
from clickstream.runtime import counts, metrics
from clickstream.runtime.arguments import Folder, PositiveInt, Table, check_apart, parse_arguments
from clickstream.runtime.glue import glue_session
from clickstream.sources import kinesis
from clickstream.sources.kinesis import Batch, StreamArguments
from clickstream.storage import hive_table, iceberg, layout, quarantine
from clickstream.transforms import page_views


@dataclass(frozen=True, kw_only=True)
class Arguments(StreamArguments):
    """What the job is started with."""

    page_counts_table: Table
    page_counts_stream: str
    quarantine_table: Folder
    window_seconds: PositiveInt = PositiveInt(60)  # the length of a window, and from one batch to the next
    allowed_lateness_minutes: PositiveInt = PositiveInt(60)  # how long after a view its record may arrive

    @property
    def window(self) -> timedelta:
        """The length of a window."""
        return timedelta(seconds=self.window_seconds)

    @property
    def lateness(self) -> timedelta:
        """How long after a view its record may arrive."""
        return timedelta(minutes=self.allowed_lateness_minutes)


def main(spark: SparkSession, arguments: Arguments) -> None:
    """Read, transform, write."""
    check_apart(
        checkpoint_path=arguments.checkpoint_path,
        quarantine_table=arguments.quarantine_table,
        page_counts_table=iceberg.location(spark, arguments.page_counts_table),
    )
    lines = kinesis.read_records(spark, arguments)
    kinesis.run_batches(lines, arguments, lambda batch: land(batch, arguments))


def land(batch: Batch, arguments: Arguments) -> None:
    """Add a batch to the counts and send on what they are now; what it has added before, it replaces."""
    spark, path = batch.lines.sparkSession, arguments.quarantine_table
    arrivals, tally = Observation(), counts.Tally(page_views.rules(arguments.lateness))
    lines = batch.lines.observe(arrivals, F.min(F.unix_millis("arrived_at")).alias("first"))
    inspected = lines.transform(page_views.inspect, arguments.lateness).transform(tally.inspected)
    with (
        iceberg.branch(spark, arguments.page_counts_table, schemas.PAGE_COUNTS, batch.commit) as branch,
        hive_table.spooled(inspected, path) as spooled,
    ):
        new = spooled.where("reasons is null").transform(page_views.per_window, arguments.window)
        is_touched = F.col("window_start").isin(page_views.window_starts(new))
        stored = branch.published().where(is_touched)
        with hive_table.spooled(new.transform(page_views.added, stored, batch.name), path) as changed:
            branch.delete(changed.select(*page_views.KEY))
            branch.append(layout.sized_for_athena(changed, schemas.PAGE_COUNTS_PARTITIONS, page_views.ORDER))
            landed = tally.counts_of_accepted()
            refused_rows = quarantine.to_table(spooled, page_views.SOURCE)
            with quarantine.staged(refused_rows, path, page_views.SOURCE, tally.first_arrival()) as refused:
                branch.publish()
                refused.publish()
            live = changed.transform(page_views.live, branch.published().where(is_touched))
            kinesis.put_rows(live, arguments.page_counts_stream, key="page", endpoint_url=arguments.endpoint_url)
    metrics.emit_batch("page_views_stream", batch, landed, arrivals.get["first"])


if __name__ == "__main__":
    given = parse_arguments(Arguments, sys.argv)
    with glue_session(sys.argv) as session:
        main(session, given)
