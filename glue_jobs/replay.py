"""Quarantined rows -> back through the rules of their source, after these or the rows' producers were mended.

Reads   --quarantine_table   rows of --source that have not been replayed; --reason, --start_date and --end_date (of
                             their arrival) narrow them
Writes  --events_table       for --source events, as events_batch does
        --clickstream_path   for --source clickstream, as clickstream_batch does
        --raw_path           for --source live_sessions: lines for sessions_batch, below arrived=YYYY-MM-DD/
        --page_views_stream  for --source page_views: records for page_views_stream
        --quarantine_table   replayed_at of rows that are taken; one that breaks a rule again stays as it is
Rerun   safe: a row that was taken is marked and not read again. If a run is killed before that, lines are written
        again, which sessions_batch counts as duplicates. Page views have nothing to tell them apart, so they are marked
        before they are sent, and opened again where that fails: of a run that is killed in between, some are not sent
"""

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial
from typing import Annotated, Literal

import boto3
from pyspark.sql import Column, DataFrame, SparkSession
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
from clickstream.runtime.counts import RowCounts
from clickstream.runtime.glue import glue_session
from clickstream.sources import raw_archive
from clickstream.storage import files, hive_table, iceberg, kinesis_sink, quarantine, run_reports
from clickstream.storage.load import Load, NewRows, open_load
from clickstream.transforms import activity, events, live_sessions, page_views, times, visits
from clickstream.validation import UNPROCESSABLE, Rules, Source

NEEDS: dict[Source, str] = {
    "events": "events_table",
    "clickstream": "clickstream_path",
    "live_sessions": "raw_path",
    "page_views": "page_views_stream",
}
NOT_REPLAYED: dict[Source, str] = {
    "page_counts": "page_counts_batch takes such rows when it runs over the same archive again, after its rules were"
    " mended; replay --source page_views sends those that page_views_stream has quarantined",
    "session_events": "sessions_batch takes such rows when it runs over the same input again, after its rules were"
    " mended or with a larger --lookback_days",
}
COUNTS = {"written": "count(1)"}
MARKED_COUNTS = {"written": "count_if(is_marked)", "duplicate": "count_if(is_marked is null)"}


@dataclass(frozen=True)
class Arguments:
    """What the job is started with."""

    quarantine_table: Annotated[Table, "what is replayed"]
    source: Annotated[Source, f"whose rows: {' or '.join(NEEDS)}; of others the job says why not"]
    reason: Annotated[str | None, f"only rows that break this rule; {UNPROCESSABLE} must be asked for"] = None
    start_date: Annotated[date | None, "the first day of arrival"] = None
    end_date: Annotated[date | None, "the last day"] = None
    events_table: Annotated[Table | None, "where the source is events, and only there"] = None
    clickstream_path: Annotated[Folder | None, "where the source is clickstream, and only there"] = None
    raw_path: Annotated[Folder | None, "where the source is live_sessions, and only there"] = None
    form: Annotated[Literal["clicks", "app_clicks", "visits"], "of the records of live_sessions"] = "clicks"
    page_views_stream: Annotated[str | None, "where the source is page_views, and only there"] = None
    endpoint_url: Annotated[str, "of another Kinesis, such as the local one"] = ""
    allowed_lateness_minutes: Annotated[
        PositiveInt, AtMost(30 * 24 * 60), "that of page_views_stream: older views stay in the quarantine"
    ] = PositiveInt(60)
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
    files.check_folders(spark, arguments)
    check_disjoint_paths(
        clickstream_path=arguments.clickstream_path or "",
        raw_path=arguments.raw_path or "",
        quarantine_table=iceberg.location(spark, arguments.quarantine_table),
    )
    rules, validate = rules_of(arguments)
    reasons = (*rules, UNPROCESSABLE)
    if arguments.reason and arguments.reason not in reasons:
        raise errors.ArgumentError(f"--reason must be one of {', '.join(reasons)}, not {arguments.reason!r}")
    rows = quarantine.open_rows(spark, arguments.quarantine_table, arguments.source, is_asked_for(arguments))
    with open_load(spark, arguments.source, arguments.quarantine_table) as load:
        new = load.materialize(quarantine.as_sent(rows).transform(validate))
        counts = LOADS[arguments.source](load, new, arguments)
    run_reports.write(spark, "replay", arguments, counts.as_dict())


def rules_of(arguments: Arguments) -> tuple[Rules, Callable[[DataFrame], DataFrame]]:
    """Return the rules of the source, and what validates its lines."""
    if arguments.source == "events":
        return events.rules(), events.validate
    if arguments.source == "clickstream":
        return visits.rules(), visits.validate
    if arguments.source == "live_sessions":  # by the rules of sessions_batch, for which nothing is late here
        of_lines = partial(activity.from_lines, source=arguments.form, rules=visits.rules())
        return live_sessions.rules(timedelta()), of_lines
    lateness = timedelta(minutes=arguments.allowed_lateness_minutes)
    return page_views.rules(lateness), partial(as_arriving_now, lateness=lateness)


def as_arriving_now(lines: DataFrame, lateness: timedelta) -> DataFrame:
    """Validate page views as the stream's job will when they are sent to it now."""
    return lines.withColumn("arrived_at", F.current_timestamp()).transform(page_views.validate, lateness)


def load_events(load: Load, new: NewRows, arguments: Arguments) -> RowCounts:
    """Load events as events_batch does."""
    with iceberg.open_branch(new.valid.sparkSession, str(arguments.events_table), schemas.EVENTS) as table:
        stored = table.stored(F.col("created_date").isin(events.dates(new.valid)))
        merge = load.counted(new.valid.transform(events.deduplicate, stored), events.MERGE_COUNTS)
        table.append(merge.where(events.IS_INSERT).transform(events.to_table))
        if load.count("replaced"):
            table.delete(load.staged(merge.where(events.IS_REPLACED).select(*events.IDENTITY)))
        counts = load.publish(table)
    quarantine.mark_replayed(new.valid, arguments.quarantine_table)
    return counts


def load_visits(load: Load, new: NewRows, arguments: Arguments) -> RowCounts:
    """Load visits as clickstream_batch does."""
    spark = new.valid.sparkSession
    with hive_table.open_table(spark, str(arguments.clickstream_path), schemas.CLICKSTREAM) as table:
        stored = table.stored(F.col("event_date").isin(visits.dates(new.valid)))
        merge = load.counted(new.valid.transform(visits.deduplicate, stored), visits.MERGE_COUNTS)
        table.append(merge.where(visits.IS_INSERT))
        counts = load.publish(table)
    quarantine.mark_replayed(new.valid, arguments.quarantine_table)
    return counts


def write_lines(load: Load, new: NewRows, arguments: Arguments) -> RowCounts:
    """Add clicks to a raw archive, a line each."""
    lines = load.counted(new.valid, COUNTS).select(
        raw_archive.line_of("raw").alias("value"), F.to_date("arrived_at").alias("arrived")
    )
    lines.write.partitionBy("arrived").mode("append").option("compression", "gzip").text(str(arguments.raw_path))
    counts = load.publish()
    quarantine.mark_replayed(new.valid, arguments.quarantine_table)
    return counts


def send_views(load: Load, new: NewRows, arguments: Arguments) -> RowCounts:
    """Mark page views, then put into their stream those that no other run has marked; open again what is not put."""
    views = load.staged(new.valid)
    marked = quarantine.mark_replayed(views, arguments.quarantine_table).withColumn("is_marked", F.lit(True))
    merge = load.counted(views.join(marked, "quarantine_id", "left"), MARKED_COUNTS)
    own = load.staged(merge.where("is_marked"))
    sent: list[str] = []
    try:
        counts = load.publish()
        put_views(own, arguments, sent)
    except Exception:
        done = own.sparkSession.createDataFrame([(id_,) for id_ in sent], "quarantine_id string")
        quarantine.open_again(own.join(done, "quarantine_id", "left_anti"), arguments.quarantine_table)
        raise
    return counts


def put_views(views: DataFrame, arguments: Arguments, sent: list[str]) -> None:
    """Put views into their stream, call by call, and add to ``sent`` the ids of those that it took."""
    kinesis = boto3.client("kinesis", endpoint_url=arguments.endpoint_url or None)
    ids: list[str] = []

    keyed = views.withColumn("key", F.left(F.sha2("page", 256), F.lit(1)))  # one byte: a record fits as it has before

    def records() -> Iterator[kinesis_sink.Record]:
        for row in keyed.select("quarantine_id", "raw", "key").toLocalIterator():
            ids.append(row.quarantine_id)
            yield {"Data": row.raw.encode(), "PartitionKey": row.key}

    for call in kinesis_sink.calls(records()):
        kinesis_sink.put_call(kinesis, str(arguments.page_views_stream), call)
        sent += ids[len(sent) : len(sent) + len(call)]


def is_asked_for(arguments: Arguments) -> Column:
    """Whether a row of the quarantine is one that the arguments ask for."""
    is_unprocessable = F.array_contains("reasons", UNPROCESSABLE)
    has_reason = F.array_contains("reasons", arguments.reason) if arguments.reason else ~is_unprocessable
    return has_reason & times.is_in_range(F.col("arrived_date"), arguments.start_date, arguments.end_date)


LOADS: dict[Source, Callable[[Load, NewRows, Arguments], RowCounts]] = {
    "events": load_events,
    "clickstream": load_visits,
    "live_sessions": write_lines,
    "page_views": send_views,
}


if __name__ == "__main__":
    given = parse_arguments(Arguments, sys.argv)
    with glue_session(sys.argv) as session:
        main(session, given)
