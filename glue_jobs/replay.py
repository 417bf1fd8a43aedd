"""Quarantined rows -> back through the job that refused them, after its rules or the rows' sources were mended.

Reads   --quarantine_path   rows of --source that have not been replayed; --reason, --start_date and --end_date (of
                            their arrival) narrow them
Writes  --events_table      for --source events, as events_batch does
        --clickstream_path  for --source clickstream, as clickstream_batch does
Rerun   safe: a row that is accepted is marked and not taken again; one that is refused again stays as it is
"""

import sys
from dataclasses import dataclass
from datetime import date
from typing import Literal

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

import clickstream_batch  # the scripts beside this one
import events_batch
from clickstream import errors, events, quarantine, schemas, visits
from clickstream.arguments import parse_arguments
from clickstream.glue import glue_session


@dataclass(frozen=True)
class Arguments:
    """What the job is started with."""

    quarantine_path: str
    source: Literal["events", "clickstream"]
    reason: str | None = None
    start_date: date | None = None
    end_date: date | None = None
    events_table: str | None = None
    clickstream_path: str | None = None


def main(spark: SparkSession, arguments: Arguments) -> None:
    """Read, transform, write."""
    rows = quarantine.open_rows(spark, arguments.quarantine_path, arguments.source)
    if arguments.reason:
        rows = rows.where(F.array_contains("reasons", arguments.reason))
    if arguments.start_date:
        rows = rows.where(F.col("arrived_date") >= F.lit(arguments.start_date))
    if arguments.end_date:
        rows = rows.where(F.col("arrived_date") <= F.lit(arguments.end_date))
    refusing = {"events": events, "clickstream": visits}[arguments.source]
    accepted = (
        quarantine
        .as_sent(rows)
        .transform(refusing.parse)
        .transform(quarantine.with_reasons, refusing.rules())
        .where("reasons is null")
        .select("quarantine_id", *schemas.RAW_LINE.names)
        .localCheckpoint()  # what lands is what is marked
    )
    _land(accepted.drop("quarantine_id"), arguments)
    quarantine.mark_replayed(accepted, arguments.quarantine_path, arguments.source)


def _land(lines: DataFrame, arguments: Arguments) -> None:
    path = arguments.quarantine_path
    match arguments:
        case Arguments(source="events", events_table=str(table)):
            events_batch.land(lines, events_batch.Arguments(path, table, path))
        case Arguments(source="clickstream", clickstream_path=str(target)):
            clickstream_batch.land(lines, clickstream_batch.Arguments(path, target, path))
        case Arguments(source="events"):
            raise errors.ArgumentError("--events_table missing; --source events needs it")
        case _:
            raise errors.ArgumentError("--clickstream_path missing; --source clickstream needs it")


if __name__ == "__main__":
    with glue_session() as session:
        main(session, parse_arguments(Arguments, sys.argv))
