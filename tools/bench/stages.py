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
from clickstream.runtime import counts, glue
from clickstream.sources import raw_archive
from clickstream.storage import hive_table, iceberg, layout, quarantine
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
    for name, value in glue.SESSION_SETTINGS.items():
        spark.conf.set(name, value)
    gateway: Any = spark.sparkContext._gateway  # noqa: SLF001  # no other way to know the JVM's process
    spent: dict[str, list[float]] = {stage: [] for stage in EXPLAINED}
    for number in range(rounds + 1):
        for stage, run in steps(spark, raw_path, out / f"quarantine_{number}").items():
            before = meter.process_cpu(gateway.proc.pid)
            run()
            if number:
                spent[stage].append(meter.process_cpu(gateway.proc.pid) - before)
    spark.stop()
    (out / "stages.json").write_text(json.dumps(spent), encoding="utf-8")


def steps(spark: SparkSession, raw_path: Path, quarantine_table: Path) -> dict[str, Callable[[], None]]:
    """Build the job's plan up to each stage, into Spark's sink ``noop``."""

    def lines() -> DataFrame:
        return raw_archive.read_lines(spark, str(raw_path))

    def inspected() -> DataFrame:
        return lines().transform(events.inspect).transform(counts.Tally(events.rules()).inspected)

    def unique(spooled: DataFrame) -> DataFrame:
        stored = spark.table("events").where(F.lit(False))
        judged = spooled.where(events.IS_TAKEN).transform(events.with_outcome, stored)
        return judged.transform(counts.Tally([]).judged).where("written = 1").transform(events.to_table)

    def laid_out(spooled: DataFrame) -> DataFrame:
        return layout.sized_for_athena(unique(spooled), schemas.EVENTS_PARTITIONS, order=["created_ts"])

    def after_spooling(then: Callable[[DataFrame], None]) -> Callable[[], None]:
        def run() -> None:
            with hive_table.spooled(inspected(), str(quarantine_table)) as spooled:
                then(spooled)

        return run

    def write(spooled: DataFrame) -> None:
        with iceberg.branch(spark, "events", schemas.EVENTS) as branch:
            branch.append(laid_out(spooled))

    def write_and_refuse(spooled: DataFrame) -> None:
        write(spooled)
        refused = quarantine.to_table(spooled, events.SOURCE)
        with quarantine.staged(refused, str(quarantine_table), events.SOURCE) as staged:
            staged.publish()

    return {
        "read": lambda: throw_away(lines()),
        "parse": lambda: throw_away(inspected()),
        "materialize": after_spooling(throw_away),
        "dedupe": after_spooling(lambda spooled: throw_away(unique(spooled))),
        "layout": after_spooling(lambda spooled: throw_away(laid_out(spooled))),
        "write": after_spooling(write),
        "quarantine": after_spooling(write_and_refuse),
    }


def throw_away(rows: DataFrame) -> None:
    """Compute every column of every row, and write nothing."""
    rows.write.format("noop").mode("overwrite").save()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
