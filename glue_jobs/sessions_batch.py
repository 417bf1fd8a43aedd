"""What users did -> the tables ``session_events`` and ``sessions``.

Reads   --events_table          for --source events (``schemas.EVENTS``): what has changed since the last run
        --raw_path              for --source clicks, app_clicks or visits: JSON lines (``schemas.RAW_LINE``)
Writes  --session_events_table  Iceberg by session_date (``schemas.SESSION_EVENTS``)
        --sessions_table        Iceberg by session_date (``schemas.SESSIONS``)
        --quarantine_table      Iceberg by source/arrived_date (``schemas.QUARANTINE``)
Dates   --start_date..--end_date, of the events: others are left as they are
Rerun   safe: whatever the order of the runs, the tables end as one run over everything would leave them
"""

import logging
import sys
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial
from typing import Annotated, Literal

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from clickstream import errors, schemas
from clickstream.runtime.arguments import (
    AtMost,
    Folder,
    PositiveInt,
    Table,
    check_dates,
    check_disjoint_paths,
    parse_arguments,
)  # fmt: skip
from clickstream.runtime.glue import glue_session
from clickstream.runtime.session_windows import SessionWindows
from clickstream.sources import raw_archive
from clickstream.storage import event_changes, files, iceberg, run_reports
from clickstream.storage.load import Load, open_load
from clickstream.storage.session_tables import Input, SessionTables
from clickstream.transforms import activity, times
from clickstream.transforms.sessions import SessionWindow

SCOPE = ("start_date", "end_date", "lookback_days")  # which events a run has read, as its snapshots say

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Arguments(SessionWindows):
    """What the job is started with."""

    sessions_table: Annotated[Table, "where sessions go"]
    session_events_table: Annotated[Table, "where the events of sessions go"]
    quarantine_table: Annotated[Table, "where rows go that break a rule"]
    source: Annotated[Literal["events", "clicks", "app_clicks", "visits"], "what is read"] = "events"
    events_table: Annotated[Table | None, "read where the source is events; a deployed job is always given it"] = None
    raw_path: Annotated[
        str | None, f"where the source is another, and only there: files are read {raw_archive.FORMS}"
    ] = None
    lookback_days: Annotated[
        PositiveInt, AtMost(3650), "an event that arrives later after it happened is quarantined"
    ] = PositiveInt(7)
    start_date: Annotated[date | None, "the first day of the events that are loaded"] = None
    end_date: Annotated[date | None, "the last day"] = None
    run_reports_path: Annotated[Folder | None, "where the run's report is kept, besides standard output"] = None

    def __post_init__(self) -> None:
        check_dates(self.start_date, self.end_date)
        needed = "events_table" if self.source == "events" else "raw_path"
        if not getattr(self, needed):
            raise errors.ArgumentError(f"--{needed} missing; --source {self.source} needs it")
        if self.source == "events" and self.raw_path:
            raise errors.ArgumentError("--raw_path is not for --source events")


def main(spark: SparkSession, arguments: Arguments) -> None:
    files.check_folders(spark, arguments)
    check_disjoint_paths(
        raw_path=arguments.raw_path or "",
        quarantine_table=iceberg.location(spark, arguments.quarantine_table),
        session_events_table=iceberg.location(spark, arguments.session_events_table),
        sessions_table=iceberg.location(spark, arguments.sessions_table),
    )
    tables = SessionTables(
        spark,
        arguments.session_events_table,
        arguments.sessions_table,
        arguments.source,
        SessionWindow(arguments.gap, arguments.max_length),
    )
    read = read_events if arguments.source == "events" else read_lines
    with open_load(spark, activity.SOURCE, arguments.quarantine_table) as load:
        latest = tables.latest_run(load)
        given = read(load, tables, latest, arguments)
        with tables.open_branches(given.progress) as branches:
            tables.write(load, given, *branches)
            counts = load.publish(*branches)
    run_reports.write(spark, "sessions_batch", arguments, counts.as_dict())


def read_events(load: Load, tables: SessionTables, latest: iceberg.Commit | None, arguments: Arguments) -> Input:
    """Read what has changed since the latest run of the same scope, or else all that is in the scope now."""
    spark, table = tables.spark, str(arguments.events_table)
    scope = {name: str(getattr(arguments, name)) for name in SCOPE}
    until = iceberg.current_snapshot(spark, table)
    progress = scope | {"events_snapshot": str(until or 0)}
    changed = None
    if latest and latest.is_current and until and scope.items() <= latest.properties.items():
        since = int(latest.properties["events_snapshot"])
        if since == until:
            return Input(None, is_initial_load=False, progress=progress)
        changed = iceberg.changes(spark, table, since, until, "created_date")
    in_scope = times.is_in_range(F.col("created_date"), arguments.start_date, arguments.end_date)
    read = partial(activity.from_events, origin=f"table:{table}", lookback=timedelta(days=arguments.lookback_days))
    now = iceberg.read(spark, table, schemas.EVENTS, snapshot=until).where(in_scope)
    if changed is None:
        if latest:
            logger.info("changes in %s since the latest run are unknown; comparing all its events", table)
        stored = tables.stored(arguments.start_date, arguments.end_date) if latest else None
        changes = event_changes.of_all(load, now.transform(read), stored)
    else:
        rows = changed.rows.where(in_scope).transform(read)
        stored = tables.stored(min(changed.partitions), max(changed.partitions))
        in_days = F.col("created_date").isin(*changed.partitions)
        changes = event_changes.of_changes(load, rows, now.where(in_days).transform(read), stored)
    return Input(changes, is_initial_load=latest is None, progress=progress)


def read_lines(load: Load, tables: SessionTables, latest: iceberg.Commit | None, arguments: Arguments) -> Input:
    """Read lines; events that the tables hold already are found by their text."""
    lines = raw_archive.read_lines(tables.spark, str(arguments.raw_path))
    rules = activity.line_rules(timedelta(days=arguments.lookback_days))
    validated = activity.from_lines(lines, arguments.source, rules, arguments.start_date, arguments.end_date)
    with raw_archive.read_errors(lines):
        new = load.materialize(validated)
    raw_archive.check_files(lines, new.all)
    valid, day = new.valid, F.to_date("event_time")
    first, last = valid.agg(F.min(day), F.max(day)).collect()[0]
    return Input(
        event_changes.of_lines(load, valid, stored=tables.stored(first, last) if latest else None),
        is_initial_load=latest is None,
        progress={},
    )


if __name__ == "__main__":
    given = parse_arguments(Arguments, sys.argv)
    with glue_session(sys.argv) as session:
        main(session, given)
