"""What users did -> the tables ``session_events`` and ``sessions``.

Reads   --events_table          for --source events (``schemas.EVENTS``): what has changed since the last run
        --raw_path              for --source clicks, app_clicks or visits: JSON lines (``schemas.RAW_LINE``)
Writes  --session_events_table  Iceberg by session_date (``schemas.SESSION_EVENTS``)
        --sessions_table        Iceberg by session_date (``schemas.SESSIONS``)
        --quarantine_table       Parquet by source/arrived_date (``schemas.QUARANTINE``)
Dates   --start_date..--end_date, of the events: others are left as they are
Rerun   safe: whatever the order of the runs, the tables end as one run over everything would leave them
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from clickstream import errors, schemas
from clickstream.runtime import counts
from clickstream.runtime.arguments import Folder, PositiveInt, Table, check_apart, check_dates, parse_arguments
from clickstream.runtime.glue import glue_session
from clickstream.sources import raw_archive
from clickstream.storage import hive_table, iceberg
from clickstream.storage.session_tables import Input, SessionTables
from clickstream.transforms import activity

SCOPE = ("start_date", "end_date", "lookback_days")  # what is noted of a run's events


@dataclass(frozen=True)
class Arguments:
    """What the job is started with."""

    sessions_table: Table
    session_events_table: Table
    quarantine_table: Folder
    source: Literal["events", "clicks", "app_clicks", "visits"] = "events"
    events_table: Table | None = None  # where the source is events, and only there
    raw_path: str | None = None  # where the source is another, and only there
    gap_seconds: PositiveInt = PositiveInt(1800)  # a longer pause ends a session
    max_session_hours: PositiveInt = PositiveInt(24)  # one that goes on is cut there
    lookback_days: PositiveInt = PositiveInt(7)  # an event that arrives later after it happened is refused
    start_date: date | None = None  # the first and the last day of the events that are taken
    end_date: date | None = None

    def __post_init__(self) -> None:
        """Refuse a source without what it is read from, or with the other, and dates in the wrong order."""
        check_dates(self.start_date, self.end_date)
        needed, other = ("events_table", "raw_path")[:: 1 if self.source == "events" else -1]
        if not getattr(self, needed):
            raise errors.ArgumentError(f"--{needed} missing; --source {self.source} needs it")
        if getattr(self, other):
            raise errors.ArgumentError(f"--{other} is not for --source {self.source}")


def main(spark: SparkSession, arguments: Arguments) -> None:
    """Read, transform, write."""
    location = iceberg.location(spark, arguments.session_events_table)
    check_apart(
        raw_path=arguments.raw_path or "",
        quarantine_table=arguments.quarantine_table,
        session_events_table=location,
        sessions_table=iceberg.location(spark, arguments.sessions_table),
    )
    tables = SessionTables(
        spark,
        arguments.session_events_table,
        arguments.sessions_table,
        source=arguments.source,
        gap=timedelta(seconds=arguments.gap_seconds),
        longest=timedelta(hours=arguments.max_session_hours),
    )
    newest = tables.newest_run()
    read = read_events if arguments.source == "events" else read_lines
    with read(tables, newest, arguments) as given:
        run = tables.land(given, arguments.quarantine_table)
    counts.report(spark, "sessions_batch", arguments, run, location)


@contextmanager
def read_events(tables: SessionTables, newest: iceberg.Note | None, arguments: Arguments) -> Iterator[Input]:
    """Read what has changed since the newest run of the same scope, or else all that is in the scope now."""
    spark, table = tables.spark, str(arguments.events_table)
    lookback = timedelta(days=arguments.lookback_days)
    scope = {name: str(getattr(arguments, name)) for name in SCOPE}
    until = iceberg.snapshot(spark, table)
    rows = iceberg.read(spark, table, schemas.EVENTS, until).withColumn("is_input", F.lit(True))
    changed = None
    if newest and newest.is_newest and until and scope.items() <= newest.commit.items():
        changed = iceberg.changes(spark, table, int(newest.commit["events_snapshot"]), until)
    if changed is not None:
        rows = changed.withColumnRenamed("has_come", "is_input")
    if arguments.start_date:
        rows = rows.where(F.col("created_date") >= F.lit(arguments.start_date))
    if arguments.end_date:
        rows = rows.where(F.col("created_date") <= F.lit(arguments.end_date))
    is_compared = newest is not None and changed is None
    yield Input(
        activity.from_events(rows, f"table:{table}", lookback),
        list(activity.event_rules(lookback)),
        stored=tables.stored(arguments.start_date, arguments.end_date) if is_compared else None,
        is_first=newest is None,
        is_whole=True,
        noted=scope | {"events_snapshot": str(until or 0)},
    )


@contextmanager
def read_lines(tables: SessionTables, newest: iceberg.Note | None, arguments: Arguments) -> Iterator[Input]:
    """Read lines; events that the tables hold already are found by their text."""
    rules = activity.line_rules(timedelta(days=arguments.lookback_days))
    inspected = activity.from_lines(
        raw_archive.read_lines(tables.spark, str(arguments.raw_path)),
        arguments.source,
        rules,
        arguments.start_date,
        arguments.end_date,
    )
    with hive_table.spooled(inspected.withColumn("is_input", F.lit(True)), arguments.quarantine_table) as spooled:
        day = F.to_date("event_time")
        first, last = spooled.where(activity.IS_TAKEN).agg(F.min(day), F.max(day)).collect()[0]
        yield Input(
            spooled,
            list(rules),
            stored=tables.stored(first, last) if newest else None,
            is_first=newest is None,
            is_whole=False,
            noted={},
        )


if __name__ == "__main__":
    given = parse_arguments(Arguments, sys.argv)
    with glue_session(sys.argv) as session:
        main(session, given)
