"""The CPU time of the stages of ``events_batch``: its plan, extended stage by stage, in one warm session.

Run as ``python -m tools.bench.stages RAW OUT ROUNDS``; OUT/stages.json gets the CPU seconds of each round by stage.
"""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from clickstream import schemas
from clickstream.runtime import glue
from clickstream.runtime.counts import RowCounter
from clickstream.sources import raw_archive
from clickstream.storage import iceberg, layout
from clickstream.storage.load import Load, NewRows, open_load
from clickstream.transforms import events
from local import lake
from tools.bench import meter

# Each stage is the one before and one more step, so the difference is the cost of the step.
EXPLAINED = {
    "read": "unzip, split into lines",
    "parse": "fields, rules, counts",
    "materialize": "validated rows as Parquet, and read again",
    "dedupe": "shuffle and sort by event_uuid, windows, the table's columns",
    "layout": "shuffle by partition, sort by partition and time",
    "write": "Parquet by Iceberg, commit to a branch",
    "quarantine": "write the quarantined rows",
}


def main(raw_path: Path, out: Path, rounds: int) -> None:
    """Warm up with one round that does not count, then measure."""
    spark = lake.session(out)
    for name, value in {**glue.SESSION_SETTINGS, glue.TEMP_DIR: str(out / "tmp")}.items():
        spark.conf.set(name, value)
    gateway: Any = spark.sparkContext._gateway  # noqa: SLF001  # no other way to know the JVM's process
    spent: dict[str, list[float]] = {stage: [] for stage in EXPLAINED}
    for number in range(rounds + 1):
        for stage, run in steps(spark, raw_path).items():
            before = meter.process_cpu(gateway.proc.pid)
            run()
            if number:
                spent[stage].append(meter.process_cpu(gateway.proc.pid) - before)
    spark.stop()
    (out / "stages.json").write_text(json.dumps(spent), encoding="utf-8")


def steps(spark: SparkSession, raw_path: Path) -> dict[str, Callable[[], None]]:
    """Build the job's plan up to each stage, into Spark's sink ``noop``."""

    def lines() -> DataFrame:
        return raw_archive.read_lines(spark, str(raw_path))

    def validated() -> DataFrame:
        return RowCounter().of_input(lines().transform(events.validate))

    def inserts(load: Load, new: NewRows) -> DataFrame:
        stored = spark.table("events").where(F.lit(False))
        merge = load.counted(new.valid.transform(events.deduplicate, stored), events.MERGE_COUNTS)
        return merge.where(events.IS_INSERT).transform(events.to_table)

    def clustered(load: Load, new: NewRows) -> DataFrame:
        return layout.clustered_by_partition(inserts(load, new), schemas.EVENTS)

    def materialized(then: Callable[[Load, NewRows], None]) -> Callable[[], None]:
        def run() -> None:
            with open_load(spark, events.SOURCE, "quarantine") as load:
                then(load, load.materialize(lines().transform(events.validate)))

        return run

    def write(load: Load, new: NewRows) -> None:
        with iceberg.open_branch(spark, "events", schemas.EVENTS) as branch:
            branch.append(inserts(load, new))

    def write_and_quarantine(load: Load, new: NewRows) -> None:
        write(load, new)
        spark.sql("delete from quarantine")  # as if nothing had been quarantined before
        load.publish()

    return {
        "read": lambda: throw_away(lines()),
        "parse": lambda: throw_away(validated()),
        "materialize": materialized(lambda _, new: throw_away(new.valid)),
        "dedupe": materialized(lambda load, new: throw_away(inserts(load, new))),
        "layout": materialized(lambda load, new: throw_away(clustered(load, new))),
        "write": materialized(write),
        "quarantine": materialized(write_and_quarantine),
    }


def throw_away(rows: DataFrame) -> None:
    """Compute every column of every row, and write nothing."""
    rows.write.format("noop").mode("overwrite").save()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
