"""Upkeep of Iceberg tables: few large files, few snapshots, no orphan files; no row changes.

Reads   --..._table  each that is given, any of them
Writes  the same     by Iceberg's rewrite_data_files, expire_snapshots and remove_orphan_files
Rerun   safe: at any time, beside any run; what has been done is not done again
"""

import logging
import sys
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated

from pyspark.sql import SparkSession

from clickstream import errors
from clickstream.runtime.arguments import AtMost, Folder, PositiveInt, Table, parse_arguments
from clickstream.runtime.glue import glue_session
from clickstream.storage import files, iceberg, run_reports, upkeep

TABLES = ("events", "session_events", "sessions", "page_counts", "quarantine")
MEGABYTE = 1024 * 1024

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Arguments:
    """What the job is started with."""

    events_table: Annotated[Table | None, "a table to maintain"] = None
    session_events_table: Annotated[Table | None, "likewise"] = None
    sessions_table: Annotated[Table | None, "likewise"] = None
    page_counts_table: Annotated[Table | None, "likewise"] = None
    quarantine_table: Annotated[Table | None, "likewise"] = None
    min_input_files: Annotated[
        PositiveInt,
        AtMost(10_000),
        "a partition with as many small files is compacted, a file with as many delete files",
    ] = PositiveInt(5)
    small_file_mb: Annotated[PositiveInt, AtMost(511), "a file below that is small"] = PositiveInt(384)
    snapshot_retention_days: Annotated[
        PositiveInt, AtMost(3650), "an older snapshot expires, unless it is the current one"
    ] = PositiveInt(5)
    orphan_retention_days: Annotated[
        PositiveInt, AtMost(3650), "an older file that no snapshot has is deleted; no run may take longer"
    ] = PositiveInt(3)
    run_reports_path: Annotated[Folder | None, "where the run's report is kept, besides standard output"] = None

    def __post_init__(self) -> None:
        if not self.tables:
            raise errors.ArgumentError(
                f"no table given; give {', '.join(f'--{name}_table' for name in TABLES)} or some"
            )

    @property
    def tables(self) -> dict[str, Table]:
        """The tables that are given, by the name of their argument."""
        given = {name: getattr(self, f"{name}_table") for name in TABLES}
        return {name: table for name, table in given.items() if table}


def main(spark: SparkSession, arguments: Arguments) -> None:
    files.check_folders(spark, arguments)
    for table in arguments.tables.values():
        iceberg.location(spark, table)  # before anything is done, they are all there
    snapshot_age = timedelta(days=arguments.snapshot_retention_days)
    orphan_age = timedelta(days=arguments.orphan_retention_days)
    counts = {}
    for name, table in arguments.tables.items():
        logger.info("%s: compacting", table)
        compacted = upkeep.compact(spark, table, arguments.min_input_files, arguments.small_file_mb * MEGABYTE)
        logger.info("%s: expiring snapshots, removing orphan files", table)
        expired = upkeep.expire_snapshots(spark, table, snapshot_age)
        counts[name] = {**compacted, **expired, **upkeep.remove_orphan_files(spark, table, orphan_age)}
    run_reports.write(spark, "maintain", arguments, counts)


if __name__ == "__main__":
    given = parse_arguments(Arguments, sys.argv)
    with glue_session(sys.argv) as session:
        main(session, given)
