"""Raw visits -> the ``clickstream`` table.

Reads   --raw_path          JSON lines, plain or gzip, in nested folders (``schemas.RAW_LINE``)
Writes  --clickstream_path  Parquet by event_date (``schemas.CLICKSTREAM``)
        --quarantine_path   Parquet by source/arrived_date (``schemas.QUARANTINE``)
Rerun   safe: only visits that the table does not hold yet are added, and nothing in it is deleted
"""

import sys
from dataclasses import dataclass

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from clickstream import counts, parquet, quarantine, raw, schemas, visits
from clickstream.arguments import Folder, Share, check_apart, parse_arguments
from clickstream.counts import Counts
from clickstream.glue import glue_session


@dataclass(frozen=True)
class Arguments:
    """What the job is started with."""

    raw_path: str
    clickstream_path: Folder
    quarantine_path: Folder
    max_quarantined_share: Share = Share(1)  # of the lines read; beyond it the run fails

    def __post_init__(self) -> None:
        """Refuse paths that lie in each other."""
        check_apart(
            raw_path=self.raw_path, clickstream_path=self.clickstream_path, quarantine_path=self.quarantine_path
        )


def main(spark: SparkSession, arguments: Arguments) -> None:
    """Read, transform, write."""
    inspected = visits.inspect(raw.read_lines(spark, arguments.raw_path))
    run = land(inspected, arguments.clickstream_path, arguments.quarantine_path, arguments.max_quarantined_share)
    counts.report(spark, "clickstream_batch", arguments, run, arguments.clickstream_path)


def land(inspected: DataFrame, path: str, quarantine_path: str, max_quarantined_share: float = 1) -> Counts:
    """Bring the rows of ``visits.inspect`` into the tables; readers see nothing before it has been counted."""
    spark, tally = inspected.sparkSession, counts.Tally(visits.rules())
    with parquet.spooled(inspected.transform(tally.inspected), quarantine_path) as spooled:
        accepted = spooled.where("reasons is null")
        touched = visits.dates(accepted)
        stored = parquet.read(spark, path, schemas.CLICKSTREAM).where(F.col("event_date").isin(touched))
        judged = accepted.transform(visits.judged_per_visit, stored).transform(tally.judged)
        written = judged.where("written = 1").select(*schemas.CLICKSTREAM.names)
        with parquet.staged(written, path, schemas.CLICKSTREAM_PARTITIONS, order=["event_time"]) as staged:
            run = tally.counts()
            run.check(max_quarantined_share)
            refused = quarantine.to_table(spooled, visits.SOURCE)
            with quarantine.staged(refused, quarantine_path, visits.SOURCE) as staged_refused:
                staged.publish()
                staged_refused.publish()
    return run


if __name__ == "__main__":
    given = parse_arguments(Arguments, sys.argv)
    with glue_session(sys.argv) as session:
        main(session, given)
