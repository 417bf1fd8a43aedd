"""Raw events -> the ``events`` table.

Reads   --raw_path         JSON lines, plain or gzip, in nested folders (``schemas.RAW_LINE``)
Writes  --events_table     Iceberg by event_type/created_date (``schemas.EVENTS``)
        --quarantine_table  Parquet by source/arrived_date (``schemas.QUARANTINE``)
Modes   merge              adds what the table does not hold yet; of duplicates the earliest arrival stays
        rebuild            replaces all of --start_date..--end_date, or else the dates that the raw events hold
Rerun   safe: the tables end the same
"""

import sys
from dataclasses import dataclass
from datetime import date
from typing import Literal

from pyspark.sql import SparkSession

from clickstream.runtime import counts
from clickstream.runtime.arguments import Folder, Ratio, Table, check_apart, check_dates, parse_arguments
from clickstream.runtime.glue import glue_session
from clickstream.sources import raw_archive
from clickstream.storage import iceberg, load
from clickstream.transforms import events


@dataclass(frozen=True)
class Arguments:
    """What the job is started with."""

    raw_path: str
    events_table: Table
    quarantine_table: Folder
    mode: Literal["merge", "rebuild"] = "merge"
    start_date: date | None = None  # the first day of the events that are taken
    end_date: date | None = None  # the last
    max_quarantined_ratio: Ratio = Ratio(1)  # of the lines read; beyond it the run fails

    def __post_init__(self) -> None:
        """Refuse dates in the wrong order, and a quarantine among the raw lines."""
        check_apart(raw_path=self.raw_path, quarantine_table=self.quarantine_table)
        check_dates(self.start_date, self.end_date)


def main(spark: SparkSession, arguments: Arguments) -> None:
    """Read, transform, write."""
    location = iceberg.location(spark, arguments.events_table)
    check_apart(raw_path=arguments.raw_path, quarantine_table=arguments.quarantine_table, events_table=location)
    inspected = events.inspect(
        raw_archive.read_lines(spark, arguments.raw_path), arguments.start_date, arguments.end_date
    )
    run = load.land_events(
        inspected,
        arguments.events_table,
        arguments.quarantine_table,
        mode=arguments.mode,
        start=arguments.start_date,
        end=arguments.end_date,
        max_quarantined_ratio=arguments.max_quarantined_ratio,
    )
    counts.report(spark, "events_batch", arguments, run, location)


if __name__ == "__main__":
    given = parse_arguments(Arguments, sys.argv)
    with glue_session(sys.argv) as session:
        main(session, given)
