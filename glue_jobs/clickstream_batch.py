"""Raw visits -> the ``clickstream`` table.

Reads   --raw_path          JSON lines, plain or gzip, in nested folders (``schemas.RAW_LINE``)
Writes  --clickstream_path  Parquet by event_date (``schemas.CLICKSTREAM``)
        --quarantine_table   Parquet by source/arrived_date (``schemas.QUARANTINE``)
Rerun   safe: only visits that the table does not hold yet are added, and nothing in it is deleted
"""

import sys
from dataclasses import dataclass

from pyspark.sql import SparkSession

from clickstream.runtime import counts
from clickstream.runtime.arguments import Folder, Ratio, check_apart, parse_arguments
from clickstream.runtime.glue import glue_session
from clickstream.sources import raw_archive
from clickstream.storage import load
from clickstream.transforms import visits


@dataclass(frozen=True)
class Arguments:
    """What the job is started with."""

    raw_path: str
    clickstream_path: Folder
    quarantine_table: Folder
    max_quarantined_ratio: Ratio = Ratio(1)  # of the lines read; beyond it the run fails

    def __post_init__(self) -> None:
        """Refuse paths that lie in each other."""
        check_apart(
            raw_path=self.raw_path, clickstream_path=self.clickstream_path, quarantine_table=self.quarantine_table
        )


def main(spark: SparkSession, arguments: Arguments) -> None:
    """Read, transform, write."""
    inspected = visits.inspect(raw_archive.read_lines(spark, arguments.raw_path))
    run = load.land_visits(
        inspected, arguments.clickstream_path, arguments.quarantine_table, arguments.max_quarantined_ratio
    )
    counts.report(spark, "clickstream_batch", arguments, run, arguments.clickstream_path)


if __name__ == "__main__":
    given = parse_arguments(Arguments, sys.argv)
    with glue_session(sys.argv) as session:
        main(session, given)
