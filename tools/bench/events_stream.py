"""``python -m tools.bench.events_stream``: measure ``events_stream`` beside its source alone."""

import argparse
import json
import logging
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any

from local import aws
from simulator import Options, arrivals
from tools.bench.batches import FLOOR, JOB, RECORDS, STEPS, Batch
from tools.bench.drains import STARTUP
from tools.bench.meter import Cost, log_progress
from tools.bench.report import machine, spread, table
from tools.chaos.job import EventsStreamJob
from tools.chaos.producer import Producer
from tools.chaos.stream import KinesisStream

ROOT = Path(__file__).parents[2]
PAGE = Path(__file__).with_name("events_stream.md")
CACHE = ROOT / ".cache" / "bench" / "stream"
MILLION_AN_HOUR = 278  # events/s
AIMED = 20 * MILLION_AN_HOUR
MOST = 1.6  # of the floor
RUNNING_SECONDS, BATCH_INTERVAL_SECONDS, PER_SECOND = 90, 10, 1000

logger = logging.getLogger("tools.bench")

LABELS = {
    JOB: "`events_stream`",
    FLOOR: "floor: the same source, into Spark's sink `noop`",
    STARTUP: "starting Spark and nothing more",
}
HOW = """\
## How it was measured

- The records are made by `simulator` (seed 1, its default shares of duplicates, conflicts, late and malformed lines;
  100 event types, one day) and put into the local Kinesis before the clock starts, but for the last table.
- Draining: each run is a process of its own with an empty lake and no checkpoint, start-up included, on a stream of two
  shards. It takes all in one batch, as `--trigger available_now` does on this machine. The commands take turns, and
  another one starts each round.
- Batches: both queries run in one warm session, each over a stream of its own with one shard, which is held back until
  it has all of the batch. An empty batch is caused by shards that were split and merged. A batch's time is Spark's own,
  from querying the source to logging the end. The table that the job adds to grows meanwhile.
- The floor is `clickstream.sources.kinesis.read_records` into `foreachBatch` that writes to the format `noop`.
- CPU seconds of draining are user and system time of all processes of a run, those of batches are of the JVM, Python
  workers and `foreachBatch`. The local Kinesis is another process and not in them, but takes its share of the cores.
- The figures are medians; in brackets the least and the most.
"""


def parser() -> argparse.ArgumentParser:
    """Build the command line."""
    command_line = argparse.ArgumentParser(prog="python -m tools.bench.events_stream", description=__doc__)
    command_line.add_argument("--rows", type=int, default=200_000, metavar="N", help="events to drain (200000)")
    command_line.add_argument("--rounds", type=int, default=3, metavar="N", help="runs of each (3)")
    command_line.add_argument("--out", type=Path, default=PAGE, metavar="FILE", help="the page")
    return command_line


def main() -> None:
    """Measure, print the page and write it."""
    log_progress()
    arguments = parser().parse_args()
    shutil.rmtree(CACHE, ignore_errors=True)
    CACHE.mkdir(parents=True)
    with aws.running() as endpoint:
        stream = KinesisStream(aws.session().client("kinesis", endpoint_url=endpoint))
        logger.info("sending %s events", f"{arguments.rows:,}")
        sent = fill(stream, arguments.rows)
        part("drains", endpoint, stream.name, str(CACHE), str(arguments.rounds))
        part("batches", endpoint, str(CACHE), str(arguments.rounds))
        logger.info("running for %d s", RUNNING_SECONDS)
        running = run_continuously(endpoint)
    drains = {name: [Cost(**cost) for cost in costs] for name, costs in read("drains").items()}
    batches = [Batch(**batch) for batch in read("batches")]
    command = shlex.join(["python", "-m", "tools.bench.events_stream", *sys.argv[1:]])
    circumstances = (
        f"{sent:,} records to drain, rounds: {arguments.rounds}, {datetime.now(UTC):%Y-%m-%d}, on {machine()}."
        f" Other processes, the local Kinesis among them, kept {busy(drains):.1f} cores busy while draining."
        f" To repeat it: `{command}`\n"
    )
    parts = ["# What `events_stream` costs\n", circumstances, aims(sent, drains, batches)]
    parts += [drained(sent, drains), in_batches(batches), steps(batches), while_running(running), HOW]
    page = "\n".join(parts)
    print(page)
    arguments.out.write_text(page, encoding="utf-8")


def fill(stream: KinesisStream, rows: int) -> int:
    """Send events; return the number of records."""
    lines = arrivals("events", Options(rows=rows))
    records = ({"PartitionKey": key, "Data": line} for _, key, line in lines)
    sent = 0
    while chunk := list(islice(records, 5_000)):
        stream.put(chunk)
        sent += len(chunk)
    return sent


def part(name: str, *arguments: str) -> None:
    """Run a part of the bench as a process, and a session, of its own."""
    command = [sys.executable, "-m", f"tools.bench.{name}", *arguments]
    subprocess.run(command, check=True, cwd=ROOT, start_new_session=True)  # noqa: S603  # ourselves


def read(name: str) -> Any:
    """Read the measurements of a part."""
    return json.loads((CACHE / f"{name}.json").read_text(encoding="utf-8"))


def run_continuously(endpoint: str) -> list[dict[str, Any]]:
    """Run the job while events arrive, and return the metrics that it prints."""
    stream = KinesisStream(aws.session().client("kinesis", endpoint_url=endpoint))
    producer = Producer(stream, events=RUNNING_SECONDS * PER_SECOND, seed=1)
    producer.per_second = PER_SECOND
    job = EventsStreamJob(CACHE / "running", stream.name, endpoint)
    with producer.writing(), job.run(batch_interval_seconds=BATCH_INTERVAL_SECONDS) as run:
        time.sleep(RUNNING_SECONDS)
        if not run.is_running():
            raise RuntimeError(f"the job ended: {run.error_message()}")
        return [batch for batch in run.metrics() if batch["Read"]]


def busy(drains: dict[str, list[Cost]]) -> float:
    """Return how many cores other processes used."""
    runs = [run for costs in drains.values() for run in costs]
    return sum(run.others for run in runs) / sum(run.wall for run in runs)


def aims(sent: int, drains: dict[str, list[Cost]], batches: Sequence[Batch]) -> str:
    """Compare the aims with the measurements."""
    cpu = {name: median(run.cpu for run in costs) for name, costs in drains.items()}
    warm = (cpu[JOB] - cpu[STARTUP]) / (cpu[FLOOR] - cpu[STARTUP])
    wall = {name: median(batch.wall for batch in full(batches, name)) for name in (JOB, FLOOR)}
    per_second = sent / median(run.wall for run in drains[JOB])
    rows = [
        ["draining: at most 1.6 times the floor's CPU", f"{cpu[JOB] / cpu[FLOOR]:.2f}; {warm:.2f} without start-up"],
        [f"a batch of {RECORDS:,}: at most 1.6 times the floor's time", f"{wall[JOB] / wall[FLOOR]:.2f}"],
        [f"at least {AIMED:,} records/s, 20 times those of a million an hour", f"{per_second:,.0f} a second"],
    ]
    met = [cpu[JOB] <= MOST * cpu[FLOOR], wall[JOB] <= MOST * wall[FLOOR], per_second >= AIMED]
    compared = [[*row, "yes" if is_met else "no"] for row, is_met in zip(rows, met, strict=True)]
    return f"## Aims\n\n{table(('aim', 'measured', 'met'), compared)}"


def drained(sent: int, drains: dict[str, list[Cost]]) -> str:
    """Show the cost of draining."""
    rows = [
        [
            LABELS[name],
            "" if name == STARTUP else f"{sent / median(run.wall for run in runs):,.0f}",
            spread(run.cpu for run in runs),
            spread(run.wall for run in runs),
            f"{median(run.peak for run in runs) / 2**30:.1f}",
        ]
        for name, runs in drains.items()
    ]
    return f"## Draining\n\n{table(('', 'records/s', 'CPU s', 'wall s', 'GB'), rows)}"


def in_batches(batches: Sequence[Batch]) -> str:
    """Show the cost of batches."""
    rows = []
    for what, chosen in ((f"{RECORDS:,} records", full), ("empty", empty)):
        floor = median(batch.wall for batch in chosen(batches, FLOOR))
        for name in (JOB, FLOOR):
            some = chosen(batches, name)
            wall = median(batch.wall for batch in some)
            rows.append([
                what,
                LABELS[name],
                spread((batch.wall for batch in some), form=".2f"),
                f"{wall / floor:.1f}",
                spread((batch.sink for batch in some), form=".2f"),
                spread((batch.cpu for batch in some), form=".2f"),
            ])
    header = ("batch", "", "s", "times the floor", "s in foreachBatch", "CPU s")
    return f"## Batches in a warm session\n\n{table(header, rows)}"


def steps(batches: Sequence[Batch]) -> str:
    """Show the time of the steps of a batch."""
    columns = [full(batches, JOB), empty(batches, JOB)]
    rows = [
        [f"`{name}`", explained, *[f"{median(batch.steps[name] for batch in some):.2f}" for some in columns]]
        for name, (_, explained) in STEPS.items()
    ]
    rest = [median(batch.sink - sum(batch.steps.values()) for batch in some) for some in columns]
    rows.append(["", "planning and the rest", *[f"{seconds:.2f}" for seconds in rest]])
    header = ("step", "", f"s, {RECORDS:,} records", "s, empty")
    return f"## Where the job's time goes\n\n{table(header, rows)}"


def while_running(running: Sequence[dict[str, Any]]) -> str:
    """Show the job's own metrics."""
    shown = ("BatchDuration", "BatchUtilization", "EndToEndLatency")
    rows = [[batch["batch"], f"{batch['Read']:,}", *[f"{batch[name]:.1f}" for name in shown]] for batch in running]
    header = ("batch", "Read", "BatchDuration, s", "BatchUtilization, %", "EndToEndLatency, s")
    rate = f"{PER_SECOND:,} events a second arrive; the batch interval is {BATCH_INTERVAL_SECONDS} s."
    return f"## Latency while it runs\n\n{rate} The job's metrics:\n\n{table(header, rows)}"


def full(batches: Iterable[Batch], name: str) -> list[Batch]:
    """Return the batches with records."""
    return [batch for batch in batches if batch.query == name and batch.records]


def empty(batches: Iterable[Batch], name: str) -> list[Batch]:
    """Return the batches without records."""
    return [batch for batch in batches if batch.query == name and not batch.records]


if __name__ == "__main__":
    main()
