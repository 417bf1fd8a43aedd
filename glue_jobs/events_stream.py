"""Kinesis ``events`` -> the ``events`` table, batch by batch, each of them once.

Reads   --stream_arn       or --stream_name at --endpoint_url: a record is an event, JSON
Writes  --events_table     Iceberg by event_type/created_date (``schemas.EVENTS``)
        --quarantine_path  Parquet by source/arrived_date (``schemas.QUARANTINE``)
Runs    continuous         a batch every --window_seconds, for ever
        available_now      all that is there, then it ends
Rerun   safe: goes on where --checkpoint_path says; without it from --starting_position, and adds nothing twice
"""

import sys
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from pyspark.errors import StreamingQueryException
from pyspark.sql import DataFrame, Observation, SparkSession
from pyspark.sql import functions as F

from clickstream import errors, events, iceberg, kinesis, landing, metrics
from clickstream.arguments import Folder, Position, Table, Whole, check_apart, parse_arguments
from clickstream.counts import Counts
from clickstream.glue import glue_session

RETRY_SECONDS = (1, 2, 5)  # before a batch is begun again; then the run fails
QUERY_ID = "sql.streaming.queryId"  # a property of the thread that Spark runs a batch in; the checkpoint's own


@dataclass(frozen=True)
class Arguments:
    """What the job is started with."""

    events_table: Table
    quarantine_path: Folder
    checkpoint_path: Folder
    stream_arn: str = ""
    stream_name: str = ""  # instead of the ARN, with the endpoint that the stream is found at
    endpoint_url: str = ""
    starting_position: Position = Position("trim_horizon")  # where there is no checkpoint
    run: Literal["continuous", "available_now"] = "continuous"
    window_seconds: Whole = Whole(900)  # from one batch to the next
    dedup_horizon_minutes: Whole = Whole(60)  # how long after an event its duplicates are looked for

    def __post_init__(self) -> None:
        """Refuse no stream, and two; and paths that lie in each other."""
        if bool(self.stream_arn) == bool(self.stream_name):
            raise errors.ArgumentError("one of --stream_arn and --stream_name is needed, and not both")
        if bool(self.stream_name) != bool(self.endpoint_url):
            raise errors.ArgumentError("--stream_name and --endpoint_url are needed together")
        check_apart(checkpoint_path=self.checkpoint_path, quarantine_path=self.quarantine_path)


def main(spark: SparkSession, arguments: Arguments) -> None:
    """Read, transform, write."""
    location = iceberg.location(spark, arguments.events_table)
    check_apart(checkpoint_path=arguments.checkpoint_path, events_table=location)
    if arguments.stream_arn:
        stream = {"streamARN": arguments.stream_arn}
    else:
        stream = {"streamName": arguments.stream_name, "endpointUrl": arguments.endpoint_url}
    lines = kinesis.read_records(spark, stream, arguments.starting_position, arguments.window_seconds)
    every = {"processingTime": f"{arguments.window_seconds} seconds"}
    query = (
        lines.writeStream
        .foreachBatch(lambda batch, number: land(batch, number, arguments))
        .option("checkpointLocation", arguments.checkpoint_path)
        .trigger(**{"availableNow": True} if arguments.run == "available_now" else every)
        .start()
    )
    try:
        query.awaitTermination()
    except StreamingQueryException as error:
        raise errors.StreamError(f"the query ended: {error.__cause__ or error}") from error


def land(lines: DataFrame, number: int, arguments: Arguments) -> None:
    """Bring a batch into the tables, from its start again where that fails: readers have seen nothing of it."""
    for wait in (*RETRY_SECONDS, None):
        try:
            land_once(lines, number, arguments)
        except Exception as error:
            if wait is None:
                raise
            print(f"events_stream: batch {number} once more in {wait} s: {error}", file=sys.stderr)
            time.sleep(wait)
        else:
            return


def land_once(lines: DataFrame, number: int, arguments: Arguments) -> None:
    """Bring a batch into the tables; its events only if a run that ended too early has not."""
    began, arrivals = time.monotonic(), Observation()
    inspected = lines.observe(arrivals, F.min("arrived_at").alias("first")).transform(events.inspect)
    query = lines.sparkSession.sparkContext.getLocalProperty(QUERY_ID)
    commit = {"query": str(query), "batch": str(number)}
    if iceberg.is_published(lines.sparkSession, arguments.events_table, commit):
        landing.land_refused(inspected, arguments.quarantine_path, events.SOURCE)
        print(f"events_stream: batch {number} was in the table", file=sys.stderr)
        return
    run = landing.land_events(
        inspected,
        arguments.events_table,
        arguments.quarantine_path,
        horizon=timedelta(minutes=arguments.dedup_horizon_minutes),
        commit=commit,
    )
    report(run, commit, time.monotonic() - began, arrivals.get["first"], arguments.window_seconds)


def report(run: Counts, commit: dict[str, str], seconds: float, first_arrival: datetime | None, window: int) -> None:
    """Print the batch's metrics; Lag is how long its first record was not to be seen."""
    lag = (datetime.now() - first_arrival).total_seconds() if first_arrival else 0  # noqa: DTZ005  # Spark gives local time
    metrics.emit(
        "events_stream",
        {
            "Read": (run.read, "Count"),
            "Written": (run.written, "Count"),
            "Duplicate": (run.duplicate, "Count"),
            "Conflict": (run.conflict, "Count"),
            "Quarantined": (run.quarantined, "Count"),
            "BatchTime": (round(seconds, 3), "Seconds"),
            "BatchTimeOfWindow": (round(100 * seconds / window, 1), "Percent"),
            "Lag": (round(lag, 3), "Seconds"),
        },
        **commit,
        quarantined_by_reason=run.quarantined_by_reason,
    )


if __name__ == "__main__":
    given = parse_arguments(Arguments, sys.argv)
    with glue_session(sys.argv) as session:
        main(session, given)
