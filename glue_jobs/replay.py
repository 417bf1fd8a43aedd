"""Quarantined rows -> back through the rules of their source, after these or the rows' producers were mended.

Reads   --quarantine_table  rows of --source that have not been replayed; --reason, --start_date and --end_date (of
                            their arrival) narrow them
Writes  --events_table      for --source events, as events_batch does
        --clickstream_path  for --source clickstream, as clickstream_batch does
        --quarantine_table  replayed_at of rows that are loaded; one that breaks a rule again stays as it is
Rerun   safe: a row that was loaded is marked and not read again
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any

from pyspark.sql import Column, SparkSession
from pyspark.sql import functions as F

from clickstream import errors, schemas
from clickstream.runtime.arguments import Folder, Table, check_dates, check_disjoint_paths, parse_arguments
from clickstream.runtime.counts import RowCounts
from clickstream.runtime.glue import glue_session
from clickstream.storage import hive_table, iceberg, quarantine, run_reports
from clickstream.storage.load import Load, NewRows, open_load
from clickstream.transforms import events, times, visits
from clickstream.validation import Source

RULES_OF: dict[Source, Any] = {events.SOURCE: events, visits.SOURCE: visits}
NEEDS: dict[Source, str] = {"events": "events_table", "clickstream": "clickstream_path"}
NOT_REPLAYED: dict[Source, str] = {
    "live_sessions": "a session that closed does not change; sessions_batch --source clicks finds it from the archive",
    "page_views": "a window that closed does not change; its views stay in the quarantine",
    "session_events": "sessions_batch reads its input again: give it a larger --lookback_days",
}


@dataclass(frozen=True)
class Arguments:
    """What the job is started with."""

    quarantine_table: Annotated[Table, "what is replayed"]
    source: Annotated[Source, f"whose rows: {' or '.join(NEEDS)}; of others the job says why not"]
    reason: Annotated[str | None, "only rows that break this rule"] = None
    start_date: Annotated[date | None, "the first day of arrival"] = None
    end_date: Annotated[date | None, "the last day"] = None
    events_table: Annotated[Table | None, "where the source is events, and only there"] = None
    clickstream_path: Annotated[Folder | None, "where the source is clickstream, and only there"] = None
    run_reports_path: Annotated[Folder | None, "where the run's report is kept, besides standard output"] = None

    def __post_init__(self) -> None:
        if self.source in NOT_REPLAYED:
            raise errors.ArgumentError(f"--source {self.source} is not replayed: {NOT_REPLAYED[self.source]}")
        check_dates(self.start_date, self.end_date)
        for source, needed in NEEDS.items():
            if source == self.source and not getattr(self, needed):
                raise errors.ArgumentError(f"--{needed} missing; --source {source} needs it")
            if source != self.source and getattr(self, needed):
                raise errors.ArgumentError(f"--{needed} is not for --source {self.source}")


def main(spark: SparkSession, arguments: Arguments) -> None:
    check_disjoint_paths(
        clickstream_path=arguments.clickstream_path or "",
        quarantine_table=iceberg.location(spark, arguments.quarantine_table),
    )
    rules = RULES_OF[arguments.source].rules()
    if arguments.reason and arguments.reason not in rules:
        raise errors.ArgumentError(f"--reason must be one of {', '.join(rules)}, not {arguments.reason!r}")
    rows = quarantine.open_rows(spark, arguments.quarantine_table, arguments.source, is_asked_for(arguments))
    with open_load(spark, arguments.source, arguments.quarantine_table) as load:
        new = load.materialize(quarantine.as_sent(rows).transform(RULES_OF[arguments.source].validate))
        counts = LOADS[arguments.source](load, new, arguments)
        quarantine.mark_replayed(new.valid, arguments.quarantine_table)
    run_reports.write(spark, "replay", arguments, counts)


def load_events(load: Load, new: NewRows, arguments: Arguments) -> RowCounts:
    """Load events as events_batch does."""
    with iceberg.open_branch(new.valid.sparkSession, str(arguments.events_table), schemas.EVENTS) as table:
        stored = table.stored(F.col("created_date").isin(events.dates(new.valid)))
        merge = load.counted(new.valid.transform(events.deduplicate, stored), events.MERGE_COUNTS)
        table.append(merge.where(events.IS_INSERT).transform(events.to_table))
        if load.count("replaced"):
            table.delete(load.staged(merge.where(events.IS_REPLACED).select(*events.IDENTITY)))
        return load.publish(table)


def load_visits(load: Load, new: NewRows, arguments: Arguments) -> RowCounts:
    """Load visits as clickstream_batch does."""
    spark = new.valid.sparkSession
    with hive_table.open_table(spark, str(arguments.clickstream_path), schemas.CLICKSTREAM) as table:
        stored = table.stored(F.col("event_date").isin(visits.dates(new.valid)))
        merge = load.counted(new.valid.transform(visits.deduplicate, stored), visits.MERGE_COUNTS)
        table.append(merge.where(visits.IS_INSERT))
        return load.publish(table)


def is_asked_for(arguments: Arguments) -> Column:
    """Whether a row of the quarantine is one that the arguments ask for."""
    has_reason = F.array_contains("reasons", arguments.reason) if arguments.reason else F.lit(True)
    return has_reason & times.is_in_range(F.col("arrived_date"), arguments.start_date, arguments.end_date)


LOADS: dict[Source, Callable[[Load, NewRows, Arguments], RowCounts]] = {
    "events": load_events,
    "clickstream": load_visits,
}


if __name__ == "__main__":
    given = parse_arguments(Arguments, sys.argv)
    with glue_session(sys.argv) as session:
        main(session, given)
