"""Raw visits -> the ``clickstream`` table.

Reads   --raw_path          JSON lines in nested folders (``schemas.RAW_LINE``)
Writes  --clickstream_path  Parquet by event_date (``schemas.CLICKSTREAM``)
        --quarantine_table  Iceberg by source/arrived_date (``schemas.QUARANTINE``)
Rerun   safe: only visits that the table lacks are added, and nothing in it is deleted
"""

import sys
from dataclasses import dataclass
from typing import Annotated

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from clickstream import schemas
from clickstream.runtime.arguments import Folder, Ratio, Table, check_disjoint_paths, parse_arguments
from clickstream.runtime.glue import glue_session
from clickstream.sources import raw_archive
from clickstream.storage import files, hive_table, iceberg, run_reports
from clickstream.storage.load import open_load
from clickstream.transforms import visits


@dataclass(frozen=True)
class Arguments:
    """What the job is started with."""

    raw_path: Annotated[str, f"JSON lines in nested folders, {raw_archive.FORMS}; a pattern like 'raw/arrived=2024-*'"]
    clickstream_path: Annotated[Folder, "the table's folder"]
    quarantine_table: Annotated[Table, "where lines go that break a rule"]
    max_quarantined_ratio: Annotated[Ratio, "of the lines read; beyond it the run fails"] = Ratio(1)
    run_reports_path: Annotated[Folder | None, "where the run's report is kept, besides standard output"] = None


def main(spark: SparkSession, arguments: Arguments) -> None:
    files.check_folders(spark, arguments)
    check_disjoint_paths(
        raw_path=arguments.raw_path,
        clickstream_path=arguments.clickstream_path,
        quarantine_table=iceberg.location(spark, arguments.quarantine_table),
    )
    lines = raw_archive.read_lines(spark, arguments.raw_path)
    with (
        open_load(spark, visits.SOURCE, arguments.quarantine_table) as load,
        hive_table.open_table(spark, arguments.clickstream_path, schemas.CLICKSTREAM) as table,
    ):
        with raw_archive.read_errors(lines):
            new = load.materialize(lines.transform(visits.validate))
        raw_archive.check_files(lines, new.all)
        stored = table.stored(F.col("event_date").isin(visits.dates(new.valid)))
        merge = load.counted(new.valid.transform(visits.deduplicate, stored), visits.MERGE_COUNTS)
        table.append(merge.where(visits.IS_INSERT))
        counts = load.publish(table, max_quarantined_ratio=arguments.max_quarantined_ratio)
    run_reports.write(spark, "clickstream_batch", arguments, counts.as_dict())


if __name__ == "__main__":
    given = parse_arguments(Arguments, sys.argv)
    with glue_session(sys.argv) as session:
        main(session, given)
