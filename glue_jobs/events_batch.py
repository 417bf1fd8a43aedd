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

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from clickstream import counts, errors, events, iceberg, layout, parquet, quarantine, raw, schemas
from clickstream.arguments import Share, check_apart, parse_arguments
from clickstream.glue import glue_session

IS_TAKEN = "reasons is null and not is_outside"


@dataclass(frozen=True)
class Arguments:
    """What the job is started with."""

    raw_path: str
    events_table: str
    quarantine_path: str
    mode: Literal["merge", "rebuild"] = "merge"
    start_date: date | None = None  # the first and the last day of the events that are taken
    end_date: date | None = None
    max_quarantined_share: Share = Share(1)  # of the lines read; beyond it the run fails

    def __post_init__(self) -> None:
        """Refuse dates in the wrong order, and a quarantine among the raw lines."""
        check_apart(raw_path=self.raw_path, quarantine_path=self.quarantine_path)
        if self.start_date and self.end_date and self.start_date > self.end_date:
            raise errors.ArgumentError(f"--start_date {self.start_date} is after --end_date {self.end_date}")


def main(spark: SparkSession, arguments: Arguments) -> None:
    """Read, transform, write."""
    land(raw.read_lines(spark, arguments.raw_path), arguments)


def land(lines: DataFrame, arguments: Arguments) -> None:
    """Bring ``schemas.RAW_LINE`` into the tables; readers see nothing before all of it is right."""
    spark = lines.sparkSession
    tally = counts.Tally(events.rules())
    inspected = (
        lines
        .transform(events.parse)
        .transform(quarantine.with_reasons, events.rules())
        .withColumn("is_outside", events.is_outside(arguments.start_date, arguments.end_date))
    )
    with (
        iceberg.branch(spark, arguments.events_table, schemas.EVENTS) as branch,
        parquet.spooled(inspected.transform(tally.inspected), arguments.quarantine_path) as spooled,
    ):
        taken = spooled.where(IS_TAKEN)
        is_touched = _is_touched(taken, branch, arguments)
        stored = branch.published().where(is_touched if arguments.mode == "merge" else F.lit(False))
        judged = taken.transform(events.with_outcome, stored).transform(tally.judged)
        written = judged.where("written = 1").transform(events.to_table)
        sized = layout.sized_for_athena(written, schemas.EVENTS_PARTITIONS, order=["created_ts"])
        if arguments.mode == "merge":
            branch.append(sized)
        else:
            branch.overwrite(sized, is_touched)

        run = tally.counts()
        run.check(arguments.max_quarantined_share)
        if run.replaced:
            judged = taken.transform(events.with_outcome, stored)
            branch.delete(judged.where("superseded = 1"), events.IDENTITY)
        refused = quarantine.to_table(spooled, events.SOURCE)
        with quarantine.staged(refused, arguments.quarantine_path, events.SOURCE) as staged:
            if run.written or arguments.mode == "rebuild":
                branch.publish()
            staged.publish()
    counts.report(spark, "events_batch", arguments, run, branch.location)


def _is_touched(taken: DataFrame, branch: iceberg.Branch, arguments: Arguments) -> Column:
    """Whether a stored row is of a date that the run compares with, or replaces.

    Without both dates they are collected from the input; merging into an empty table needs none.
    """
    if arguments.start_date and arguments.end_date:
        return F.col("created_date").between(F.lit(arguments.start_date), F.lit(arguments.end_date))
    if arguments.mode == "merge" and branch.is_empty():
        return F.lit(False)
    dates = events.dates(taken)
    return F.col("created_date").isin(dates) if dates else F.lit(False)


if __name__ == "__main__":
    given = parse_arguments(Arguments, sys.argv)
    with glue_session(sys.argv) as session:
        main(session, given)
