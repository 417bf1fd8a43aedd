"""The cost of a batch in a warm session: the job's and the floor's, empty and of 10,000 records, in turns.

Run as ``python -m tools.bench.batches ENDPOINT OUT ROUNDS``; it writes the measurements of each batch to
OUT/batches.json.
"""

import cProfile
import inspect
import json
import os
import pstats
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from threading import Event, Thread
from typing import Any

from pyspark.sql import DataFrame, SparkSession

sys.path.insert(0, str(Path(__file__).parents[2] / "glue_jobs"))

import events_stream
from clickstream.runtime import glue
from clickstream.runtime.arguments import Folder, Table
from clickstream.sources import kinesis
from clickstream.storage import iceberg
from clickstream.storage.load import Load
from clickstream.transforms import events
from local import aws, lake
from local.glue_stubs import install_glue_stubs
from simulator import Options, arrivals
from tools.bench import meter
from tools.bench.baselines import stream_floor
from tools.chaos.fault_proxy import FaultProxy
from tools.chaos.stream import KinesisStream, PutRecord

RECORDS = 10_000
JOB, FLOOR = "events_stream", "floor"
STEPS: dict[str, tuple[Callable[..., Any], str]] = {
    "open": (iceberg.check_columns, "look at the columns of both tables"),
    "materialize": (Load.materialize, "read, parse, validate; write as Parquet"),
    "dates": (events.dates, "which days are affected"),
    "append": (iceberg.Branch.append, "compare with stored rows, cluster, write, commit to the branch"),
    "publish": (Load.publish, "audit; let readers see the branch; add to the quarantine"),
    "close": (iceberg.Branch.close, "remove the branch where nothing was published"),
}


@dataclass(frozen=True)
class Batch:
    """One batch of the job or the floor; times in seconds."""

    query: str
    records: int
    wall: float  # as Spark reports it: from querying the source to logging the end
    sink: float  # of these, in foreachBatch
    cpu: float  # of the JVM, of Python workers and of foreachBatch
    steps: dict[str, float]  # wall, of the job's


class Arguments(events_stream.Arguments):
    """Those of a query that waits for records: no empty batch disturbs what is measured."""

    def connection(self) -> dict[str, str]:
        return {**super().connection(), "avoidEmptyBatches": "true"}


class MeasuredQuery:
    """A running query on a stream of its own with one shard; a batch can be held back until it is full."""

    def __init__(self, name: str, spark: SparkSession, endpoint: str, out: Path) -> None:
        self.name = name
        self.stream = KinesisStream(aws.session().client("kinesis", endpoint_url=endpoint), shards=1)
        self._proxy = FaultProxy(endpoint)
        Thread(target=self._proxy.serve_forever, daemon=True).start()
        self._python_seconds = 0.0
        self._steps: dict[int, dict[str, float]] = {}
        self._measured: set[int] = set()
        self._arguments = Arguments(
            stream_name=self.stream.name,
            endpoint_url=self._proxy.url,
            events_table=Table("events"),
            quarantine_table=Table("quarantine"),
            checkpoint_path=Folder(str(out / f"checkpoint_{name}")),
        )
        lines = kinesis.read_records(spark, self._arguments)
        sink = lines.writeStream.foreachBatch(self._process if name == JOB else stream_floor.throw_away)
        self._query = sink.option("checkpointLocation", self._arguments.checkpoint_path).start()

    def process(self, records: Sequence[PutRecord]) -> list[Batch]:
        """Process all of the records in one batch."""
        gate = Event()
        self._proxy.before_next["GetRecords"] = gate.wait
        self.stream.put(records)
        return self._measure(gate.set)

    def process_nothing(self) -> list[Batch]:
        """Process empty batches, caused by shards that end and begin."""

        def reshard() -> None:
            self.stream.split(self.stream.shards()[0])
            self.stream.merge(*self.stream.shards())

        return self._measure(reshard)

    def stop(self) -> None:
        self._query.stop()
        self._proxy.shutdown()

    def _measure(self, act: Callable[[], object]) -> list[Batch]:
        before = self._cpu()
        act()
        self._query.processAllAvailable()
        cpu = self._cpu() - before
        new = [
            batch
            for batch in self._query.recentProgress
            if "addBatch" in batch.durationMs and batch.batchId not in self._measured
        ]
        self._measured |= {batch.batchId for batch in new}
        return [
            Batch(
                query=self.name,
                records=batch.numInputRows,
                wall=batch.durationMs["triggerExecution"] / 1000,
                sink=batch.durationMs["addBatch"] / 1000,
                cpu=cpu / len(new),
                steps=self._steps.get(batch.batchId, {}),
            )
            for batch in new
        ]

    def _cpu(self) -> float:
        return meter.session_cpu() + self._python_seconds

    def _process(self, lines: DataFrame, number: int) -> None:
        before = time.thread_time()
        with cProfile.Profile() as profile:
            events_stream.process_batch(kinesis.Batch(lines, self.name, number, 900, time.time()), self._arguments)
        self._python_seconds += time.thread_time() - before
        self._steps[number] = _steps(profile)


def main(endpoint: str, out: Path, rounds: int) -> None:
    """Warm up with one round that is not counted, then measure."""
    os.environ |= aws.environment(endpoint)
    spark = lake.session(out / "lake")
    install_glue_stubs(spark)
    for name, value in {**glue.SESSION_SETTINGS, glue.TEMP_DIR: str(out / "tmp")}.items():
        spark.conf.set(name, value)
    lines = arrivals("events", Options(rows=2 * (rounds + 1) * RECORDS))
    records = ({"PartitionKey": key, "Data": line} for _, key, line in lines)
    queries = deque(MeasuredQuery(name, spark, endpoint, out) for name in (JOB, FLOOR))
    measured: list[Batch] = []
    for number in range(rounds + 1):
        for query in queries:
            batches = query.process(list(islice(records, RECORDS))) + query.process_nothing()
            measured += batches if number else []
        queries.rotate()
    for query in queries:
        query.stop()
    spark.stop()
    (out / "batches.json").write_text(json.dumps([asdict(batch) for batch in measured]), encoding="utf-8")


def _steps(profile: cProfile.Profile) -> dict[str, float]:
    """Sum the seconds of each step, callees included."""
    stats: dict[tuple[str, int, str], tuple[int, int, float, float, object]] = vars(pstats.Stats(profile))["stats"]
    seconds = {}
    for name, (function, _) in STEPS.items():
        code = inspect.unwrap(function).__code__
        _, _, _, spent, _ = stats.get((code.co_filename, code.co_firstlineno, code.co_name), (0, 0, 0.0, 0.0, None))
        seconds[name] = spent
    return seconds


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))
