"""Quarantined rows -> back through the job that refused them, after its rules or the rows' sources were mended.

Reads   --quarantine_table   rows of --source that have not been replayed; --reason, --start_date and --end_date (of
                            their arrival) narrow them
Writes  --events_table      for --source events, as events_batch does
        --clickstream_path  for --source clickstream, as clickstream_batch does
Rerun   safe: a row that is accepted is marked and not taken again; one that is refused again stays as it is
"""

import sys
from dataclasses import dataclass
from datetime import date
from typing import Literal

from pyspark.sql import Column, SparkSession
from pyspark.sql import functions as F

from clickstream import errors
from clickstream.runtime import counts
from clickstream.runtime.arguments import Folder, Table, check_apart, check_dates, parse_arguments
from clickstream.runtime.glue import glue_session
from clickstream.storage import hive_table, iceberg, load, quarantine
from clickstream.transforms import events, visits


@dataclass(frozen=True)
class Arguments:
    """What the job is started with."""

    quarantine_table: Folder
    source: Literal["events", "clickstream"]
    reason: str | None = None
    start_date: date | None = None
    end_date: date | None = None
    events_table: Table | None = None  # where the source is events, and only there
    clickstream_path: Folder | None = None  # where the source is clickstream, and only there

    def __post_init__(self) -> None:
        """Refuse a source without the table it lands in, or with the other's, and dates in the wrong order."""
        check_dates(self.start_date, self.end_date)
        needed, other = "events_table", "clickstream_path"
        if self.source == "clickstream":
            needed, other = other, needed
        if not getattr(self, needed):
            raise errors.ArgumentError(f"--{needed} missing; --source {self.source} needs it")
        if getattr(self, other):
            raise errors.ArgumentError(f"--{other} is not for --source {self.source}")
        check_apart(clickstream_path=self.clickstream_path or "", quarantine_table=self.quarantine_table)


def main(spark: SparkSession, arguments: Arguments) -> None:
    """Read, transform, write."""
    path, source = arguments.quarantine_table, arguments.source
    target = arguments.events_table or arguments.clickstream_path or ""
    refusing = events if source == "events" else visits
    if arguments.reason and arguments.reason not in refusing.rules():
        raise errors.ArgumentError(f"--reason must be one of {', '.join(refusing.rules())}, not {arguments.reason!r}")
    selected = quarantine.open_rows(spark, path, source).where(_is_asked_for(arguments))
    inspected = quarantine.as_sent(selected).transform(refusing.inspect)
    with hive_table.spooled(inspected, path) as spooled:  # what lands is what is marked
        replayed = spooled.drop("quarantine_id")  # a row that is refused again gets the one it has, and is not added
        if source == "events":
            landed, table_path = load.land_events(replayed, target, path), iceberg.location(spark, target)
        else:
            landed, table_path = load.land_visits(replayed, target, path), target
        quarantine.mark_replayed(spooled.where("reasons is null"), path, source)
    counts.report(spark, "replay", arguments, landed, table_path)


def _is_asked_for(arguments: Arguments) -> Column:
    is_asked_for = F.lit(True)
    if arguments.reason:
        is_asked_for &= F.array_contains("reasons", arguments.reason)
    if arguments.start_date:
        is_asked_for &= F.col("arrived_date") >= F.lit(arguments.start_date)
    if arguments.end_date:
        is_asked_for &= F.col("arrived_date") <= F.lit(arguments.end_date)
    return is_asked_for


if __name__ == "__main__":
    given = parse_arguments(Arguments, sys.argv)
    with glue_session(sys.argv) as session:
        main(session, given)
