"""Raw events -> the ``events`` table.

Reads   --raw_path          JSON lines in nested folders (``schemas.RAW_LINE``)
Writes  --events_table      Iceberg by event_type/created_date (``schemas.EVENTS``)
        --quarantine_table  Iceberg by source/arrived_date (``schemas.QUARANTINE``)
Modes   merge               adds what the table lacks; of duplicates the earliest arrival stays
        rebuild             replaces all of --start_date..--end_date, or else the dates that the raw events hold
Rerun   safe: the tables end the same
"""

import sys
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Literal

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from clickstream import errors, schemas
from clickstream.runtime.arguments import Folder, Ratio, Table, check_dates, check_disjoint_paths, parse_arguments
from clickstream.runtime.glue import glue_session
from clickstream.sources import raw_archive
from clickstream.storage import files, iceberg, run_reports
from clickstream.storage.load import open_load
from clickstream.transforms import events


@dataclass(frozen=True)
class Arguments:
    """What the job is started with."""

    raw_path: Annotated[str, f"JSON lines in nested folders, {raw_archive.FORMS}; a pattern like 'raw/arrived=2024-*'"]
    events_table: Annotated[Table, "where events go"]
    quarantine_table: Annotated[Table, "where lines go that break a rule"]
    mode: Annotated[Literal["merge", "rebuild"], "merge adds what the table lacks; rebuild replaces dates"] = "merge"
    start_date: Annotated[date | None, "the first day of the events that are loaded"] = None
    end_date: Annotated[date | None, "the last day"] = None
    keep_arrived_since: Annotated[
        date | None, "a rebuild keeps stored events of this day of arrival or later that raw does not have as yet"
    ] = None
    max_quarantined_ratio: Annotated[Ratio, "of the lines read; beyond it the run fails"] = Ratio(1)
    run_reports_path: Annotated[Folder | None, "where the run's report is kept, besides standard output"] = None

    def __post_init__(self) -> None:
        check_dates(self.start_date, self.end_date)
        if self.keep_arrived_since and self.mode != "rebuild":
            raise errors.ArgumentError("--keep_arrived_since is of --mode rebuild; merge keeps every stored event")


def main(spark: SparkSession, arguments: Arguments) -> None:
    files.check_folders(spark, arguments)
    check_disjoint_paths(
        raw_path=arguments.raw_path,
        events_table=iceberg.location(spark, arguments.events_table),
        quarantine_table=iceberg.location(spark, arguments.quarantine_table),
    )
    start, end = arguments.start_date, arguments.end_date
    lines = raw_archive.read_lines(spark, arguments.raw_path)
    with (
        open_load(spark, events.SOURCE, arguments.quarantine_table) as load,
        iceberg.open_branch(spark, arguments.events_table, schemas.EVENTS) as table,
    ):
        with raw_archive.read_errors(lines):
            new = load.materialize(lines.transform(events.validate, start, end))
        raw_archive.check_files(lines, new.all)
        is_all_in_range = F.col("created_date").between(F.lit(start), F.lit(end))
        touched = is_all_in_range if start and end else F.col("created_date").isin(events.dates(new.valid))
        stored = table.stored(touched) if arguments.mode == "merge" else None
        merge = load.counted(new.valid.transform(events.deduplicate, stored), events.MERGE_COUNTS)
        inserts = merge.where(events.IS_INSERT).transform(events.to_table)
        if arguments.mode == "merge":
            table.append(inserts)
        else:
            if since := arguments.keep_arrived_since:
                inserts = inserts.unionByName(table.stored(touched).transform(events.unarchived, new.valid, since))
            table.overwrite(inserts, touched)
        if load.count("replaced"):
            table.delete(load.staged(merge.where(events.IS_REPLACED).select(*events.IDENTITY)))
        counts = load.publish(table, max_quarantined_ratio=arguments.max_quarantined_ratio)
    run_reports.write(spark, "events_batch", arguments, counts.as_dict())


if __name__ == "__main__":
    given = parse_arguments(Arguments, sys.argv)
    with glue_session(sys.argv) as session:
        main(session, given)
