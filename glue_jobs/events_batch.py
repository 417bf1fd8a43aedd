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

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from clickstream import counts, events, iceberg, layout, parquet, quarantine, raw, schemas
from clickstream.arguments import Folder, Share, Table, check_apart, check_dates, parse_arguments
from clickstream.counts import Counts
from clickstream.glue import glue_session


@dataclass(frozen=True)
class Arguments:
    """What the job is started with."""

    raw_path: str
    events_table: Table
    quarantine_path: Folder
    mode: Literal["merge", "rebuild"] = "merge"
    start_date: date | None = None  # the first and the last day of the events that are taken
    end_date: date | None = None
    max_quarantined_share: Share = Share(1)  # of the lines read; beyond it the run fails

    def __post_init__(self) -> None:
        """Refuse dates in the wrong order."""
        check_dates(self.start_date, self.end_date)


def main(spark: SparkSession, arguments: Arguments) -> None:
    """Read, transform, write."""
    location = iceberg.location(spark, arguments.events_table)
    check_apart(raw_path=arguments.raw_path, quarantine_path=arguments.quarantine_path, events_table=location)
    inspected = events.inspect(raw.read_lines(spark, arguments.raw_path), arguments.start_date, arguments.end_date)
    run = land(
        inspected,
        arguments.events_table,
        arguments.quarantine_path,
        mode=arguments.mode,
        start=arguments.start_date,
        end=arguments.end_date,
        max_quarantined_share=arguments.max_quarantined_share,
    )
    counts.report(spark, "events_batch", arguments, run, location)


def land(  # noqa: PLR0913  # as many as the job's own arguments
    inspected: DataFrame,
    events_table: str,
    quarantine_path: str,
    *,
    mode: Literal["merge", "rebuild"] = "merge",
    start: date | None = None,
    end: date | None = None,
    max_quarantined_share: float = 1,
) -> Counts:
    """Bring the rows of ``events.inspect`` into the tables; readers see nothing before all of it is right."""
    spark, tally = inspected.sparkSession, counts.Tally(events.rules())
    with (
        iceberg.branch(spark, events_table, schemas.EVENTS) as branch,
        parquet.spooled(inspected.transform(tally.inspected), quarantine_path) as spooled,
    ):
        taken = spooled.where(events.IS_TAKEN)
        if start and end:
            is_touched = F.col("created_date").between(F.lit(start), F.lit(end))
        else:
            is_touched = F.col("created_date").isin(events.dates(taken))
        stored = branch.published().where(is_touched if mode == "merge" else F.lit(False))

        outcome = taken.transform(events.with_outcome, stored)
        written = outcome.transform(tally.judged).where("written = 1").transform(events.to_table)
        sized = layout.sized_for_athena(written, schemas.EVENTS_PARTITIONS, order=["created_ts"])
        if mode == "merge":
            branch.append(sized)
        else:
            branch.overwrite(sized, is_touched)

        run = tally.counts()
        run.check(max_quarantined_share)
        if run.replaced:
            branch.delete(outcome.where("replaced = 1"), events.IDENTITY)
        with quarantine.staged(quarantine.to_table(spooled, events.SOURCE), quarantine_path, events.SOURCE) as refused:
            if run.written or mode == "rebuild" or refused.has_files():  # which stops one of two runs at once
                branch.publish()
            refused.publish()
    return run


if __name__ == "__main__":
    given = parse_arguments(Arguments, sys.argv)
    with glue_session(sys.argv) as session:
        main(session, given)
