"""Raw page views -> the ``page_counts`` of whole dates, made again.

Reads   --raw_path           the raw archive of page views (``schemas.RAW_LINE``), by the hour of arrival
Writes  --page_counts_table  Iceberg by window_date (``schemas.PAGE_COUNTS``): replaces the windows of this length on
                             all of --start_date..--end_date, or else on the dates that the raw views hold
        --quarantine_table   Iceberg by source/arrived_date (``schemas.QUARANTINE``)
Dates   that have ended      page_views_stream counts later views, and counts none again that this run has read
Rerun   safe: the table ends the same
"""

import sys
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Annotated

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from clickstream import errors, schemas
from clickstream.runtime.arguments import Folder, Ratio, Table, check_dates, check_disjoint_paths, parse_arguments
from clickstream.runtime.glue import glue_session
from clickstream.runtime.page_windows import PageWindows
from clickstream.sources import raw_archive
from clickstream.storage import files, iceberg, run_reports
from clickstream.storage.load import open_load
from clickstream.transforms import page_views


@dataclass(frozen=True)
class Arguments(PageWindows):
    """What the job is started with."""

    raw_path: Annotated[str, f"views and transitions in nested folders, {raw_archive.FORMS}; a pattern is fine"]
    page_counts_table: Annotated[Table, "where counts go"]
    quarantine_table: Annotated[Table, "where records go that break a rule"]
    start_date: Annotated[date | None, "the first day of the windows that are replaced"] = None
    end_date: Annotated[date | None, "the last day"] = None
    max_quarantined_ratio: Annotated[Ratio, "of the lines read; beyond it the run fails"] = Ratio(1)
    run_reports_path: Annotated[Folder | None, "where the run's report is kept, besides standard output"] = None

    def __post_init__(self) -> None:
        check_dates(self.start_date, self.end_date)


def main(spark: SparkSession, arguments: Arguments) -> None:
    files.check_folders(spark, arguments)
    check_disjoint_paths(
        raw_path=arguments.raw_path,
        page_counts_table=iceberg.location(spark, arguments.page_counts_table),
        quarantine_table=iceberg.location(spark, arguments.quarantine_table),
    )
    hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    start, end = arguments.start_date, last_date(arguments, hour)
    lines = raw_archive.read_lines(spark, arguments.raw_path)
    with (
        open_load(spark, page_views.REBUILD_SOURCE, arguments.quarantine_table) as load,
        iceberg.open_branch(spark, arguments.page_counts_table, schemas.PAGE_COUNTS) as table,
    ):
        # Read after the branch was opened: a commit in between makes publish fail.
        latest = iceberg.latest_properties(spark, arguments.page_counts_table)
        with raw_archive.read_errors(lines):
            validated = lines.transform(page_views.validate, arguments.allowed_lateness, page_views.HOUR)
            new = load.materialize(validated.transform(page_views.with_range, arguments.window, start, end))
        raw_archive.check_files(lines, new.all)
        rebuilt = days(start, end) if start and arguments.end_date else page_views.dates(new.valid, arguments.window)
        per_window = new.valid.transform(page_views.per_window, arguments.window)
        nothing = spark.createDataFrame([], schemas.PAGE_COUNTS.rows)
        counted = per_window.transform(page_views.added, nothing, f"archive/{hour:%Y-%m-%dT%H}")
        table.snapshot_properties = page_views.rebuilt_properties(latest, rebuilt, hour, arguments.window)
        touched = F.col("window_date").isin(rebuilt)
        others = table.stored(touched & (F.col("window_seconds") != arguments.window_seconds))
        rows = load.counted(counted, page_views.COUNTS).select(*schemas.PAGE_COUNTS.names)
        table.overwrite(rows.unionByName(others), touched)
        counts = load.publish(table, max_quarantined_ratio=arguments.max_quarantined_ratio)
    run_reports.write(spark, "page_counts_batch", arguments, counts.as_dict())


def last_date(arguments: Arguments, hour: datetime) -> date:
    """Return the last day that is rebuilt; raise ``ArgumentError`` where one that is asked for is not over."""
    last = page_views.last_whole_date(hour, arguments.window, arguments.allowed_lateness)
    if arguments.end_date and arguments.end_date > last:
        raise errors.ArgumentError(
            f"--end_date {arguments.end_date} is not over: views of it may still arrive; {last} can be rebuilt"
        )
    return arguments.end_date or last


def days(start: date, end: date) -> list[date]:
    """List the days from one to another, both included."""
    return [start + timedelta(days=number) for number in range((end - start).days + 1)]


if __name__ == "__main__":
    given = parse_arguments(Arguments, sys.argv)
    with glue_session(sys.argv) as session:
        main(session, given)
