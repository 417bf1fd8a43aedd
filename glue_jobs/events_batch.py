"""Raw events -> the ``events`` table.

Reads   --raw_path         JSON lines, plain or gzip, in nested folders (``schemas.RAW_LINE``)
Writes  --events_table     Iceberg by event_type/created_date (``schemas.EVENTS``)
        --quarantine_path  Parquet by source/arrived_date (``schemas.QUARANTINE``)
Modes   merge              adds what the table does not hold yet; of duplicates the earliest arrival stays
        rebuild            replaces all of --start_date..--end_date, or else the dates that the raw events hold
Rerun   safe: the tables end the same
"""

import sys
from dataclasses import dataclass
from datetime import date
from typing import Literal

from pyspark.sql import SparkSession

from clickstream import counts, events, iceberg, landing, raw
from clickstream.arguments import Folder, Share, Table, check_apart, check_dates, parse_arguments
from clickstream.glue import glue_session


@dataclass(frozen=True)
class Arguments:
    """What the job is started with."""

    raw_path: str
    events_table: Table
    quarantine_path: Folder
    mode: Literal["merge", "rebuild"] = "merge"
    start_date: date | None = None  # the first day of the events that are taken
    end_date: date | None = None  # the last
    max_quarantined_share: Share = Share(1)  # of the lines read; beyond it the run fails

    def __post_init__(self) -> None:
        """Refuse dates in the wrong order, and a quarantine among the raw lines."""
        check_apart(raw_path=self.raw_path, quarantine_path=self.quarantine_path)
        check_dates(self.start_date, self.end_date)


def main(spark: SparkSession, arguments: Arguments) -> None:
    """Read, transform, write."""
    location = iceberg.location(spark, arguments.events_table)
    check_apart(raw_path=arguments.raw_path, quarantine_path=arguments.quarantine_path, events_table=location)
    inspected = events.inspect(raw.read_lines(spark, arguments.raw_path), arguments.start_date, arguments.end_date)
    run = landing.land_events(
        inspected,
        arguments.events_table,
        arguments.quarantine_path,
        mode=arguments.mode,
        start=arguments.start_date,
        end=arguments.end_date,
        max_quarantined_share=arguments.max_quarantined_share,
    )
    counts.report(spark, "events_batch", arguments, run, location)


if __name__ == "__main__":
    given = parse_arguments(Arguments, sys.argv)
    with glue_session(sys.argv) as session:
        main(session, given)
