"""``python -m tools.bench.events_stream``: measure ``events_stream`` beside its source into a sink that keeps nothing."""

import argparse
import json
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
from tools.bench.meter import Cost
from tools.bench.report import machine, spread, table
from tools.chaos.job import Job
from tools.chaos.producer import Producer
from tools.chaos.stream import Stream

ROOT = Path(__file__).parent.parent
CACHE = ROOT / ".cache" / "bench" / "stream"
MILLION_AN_HOUR = 278  # events/s
AIMED = 20 * MILLION_AN_HOUR
MOST = 1.6  # of the floor
RUNNING_SECONDS, WINDOW_SECONDS, PER_SECOND = 90, 10, 1000

LABELS = {
    JOB: "`events_stream`",
    FLOOR: "floor: the same source, into Spark's sink that throws rows away",
    STARTUP: "starting Spark and nothing more",
}
HOW = """\
## How it was measured

- The records are made by `simulator` (seed 1, its default shares of duplicates, conflicts, late and malformed lines;
  100 event types, one day) and put into the local Kinesis before the clock starts, but for the last table.
- Draining: each run is a process of its own with an empty lake and no checkpoint, start-up included, on a stream of two
  shards. It takes all in one batch, as `--trigger available_now` does on this machine. The contenders take turns, and each
  round begins with another one.
- Batches: both queries run in one warm session, each over a stream of its own with one shard, which is held back until
  it has all of the batch. An empty batch is one that only tells of shards that were split and merged. A batch's time is
  Spark's own, from asking the source to noting the end. The table that the job adds to grows meanwhile.
- The floor is `clickstream.kinesis.read_records` into `foreachBatch` that writes to the format `noop`.
- CPU seconds of draining are user and system time of all processes of a run, those of batches are of the JVM, Python
  workers and `foreachBatch`. The local Kinesis is another process and not in them, but takes its share of the cores.
- The figures are medians; in brackets the least and the most.
"""


def parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    made = argparse.ArgumentParser(prog="python -m tools.bench.events_stream", description=__doc__)
    made.add_argument("--rows", type=int, default=200_000, metavar="N", help="events to drain (200000)")
    made.add_argument("--rounds", type=int, default=3, metavar="N", help="runs of each contender (3)")
    made.add_argument("--out", type=Path, default=ROOT / "bench" / "events_stream.md", metavar="FILE", help="the page")
    return made


def main() -> None:
    """Measure, print the page and write it."""
    arguments = parser().parse_args()
    shutil.rmtree(CACHE, ignore_errors=True)
    CACHE.mkdir(parents=True)
    with aws.running() as endpoint:
        stream = Stream(aws.session().client("kinesis", endpoint_url=endpoint))
        say(f"sending {arguments.rows:,} events")
        sent = fill(stream, arguments.rows)
        part("drains", endpoint, stream.name, str(CACHE), str(arguments.rounds))
        part("batches", endpoint, str(CACHE), str(arguments.rounds))
        say(f"running for {RUNNING_SECONDS} s")
        running = run_and_look(endpoint)
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


def fill(stream: Stream, rows: int) -> int:
    """Send events; return how many records that took."""
    lines = arrivals("events", Options(rows=rows))
    records = ({"PartitionKey": key, "Data": line} for _, key, line in lines)
    sent = 0
    while chunk := list(islice(records, 5_000)):
        stream.put(chunk)
        sent += len(chunk)
    return sent


def part(name: str, *arguments: str) -> None:
    """Run a part of the bench as a process, and a session, of its own."""
    command = [sys.executable, "-m", f"bench.{name}", *arguments]
    subprocess.run(command, check=True, cwd=ROOT, start_new_session=True)  # noqa: S603  # ourselves


def read(name: str) -> Any:
    """Read what a part has measured."""
    return json.loads((CACHE / f"{name}.json").read_text(encoding="utf-8"))


def run_and_look(endpoint: str) -> list[dict[str, Any]]:
    """Let the job run while events come, and return the metrics that it prints."""
    stream = Stream(aws.session().client("kinesis", endpoint_url=endpoint))
    producer = Producer(stream, events=RUNNING_SECONDS * PER_SECOND, seed=1)
    producer.per_second = PER_SECOND
    job = Job(CACHE / "running", stream.name, endpoint)
    with producer.writing(), job.life(batch_interval_seconds=WINDOW_SECONDS) as life:
        time.sleep(RUNNING_SECONDS)
        if not life.is_running():
            raise RuntimeError(f"the job ended: {life.last_words()}")
        return life.metrics()


def busy(drains: dict[str, list[Cost]]) -> float:
    """Return how many cores others used."""
    runs = [run for costs in drains.values() for run in costs]
    return sum(run.others for run in runs) / sum(run.wall for run in runs)


def aims(sent: int, drains: dict[str, list[Cost]], batches: Sequence[Batch]) -> str:
    """Say what was aimed at and what was measured."""
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
    judged = [[*row, "yes" if is_met else "no"] for row, is_met in zip(rows, met, strict=True)]
    return f"## Aims\n\n{table(('aim', 'measured', 'met'), judged)}"


def drained(sent: int, drains: dict[str, list[Cost]]) -> str:
    """Show what draining cost."""
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
    """Show what batches cost."""
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
    """Show where the job spends the time of a batch."""
    columns = [full(batches, JOB), empty(batches, JOB)]
    rows = [
        [f"`{name}`", explained, *[f"{median(batch.steps[name] for batch in some):.2f}" for some in columns]]
        for name, (_, explained) in STEPS.items()
    ]
    rest = [median(batch.sink - sum(batch.steps.values()) for batch in some) for some in columns]
    rows.append(["", "planning, the horizon, and the rest", *[f"{seconds:.2f}" for seconds in rest]])
    header = ("step", "", f"s, {RECORDS:,} records", "s, empty")
    return f"## Where the job's time goes\n\n{table(header, rows)}"


def while_running(running: Sequence[dict[str, Any]]) -> str:
    """Show the job's own metrics."""
    shown = ("BatchDuration", "BatchUtilization", "EndToEndLatency")
    rows = [[batch["batch"], f"{batch['Read']:,}", *[f"{batch[name]:.1f}" for name in shown]] for batch in running]
    header = ("batch", "Read", "BatchDuration, s", "BatchUtilization, %", "Lag, s")
    told = f"{PER_SECOND:,} events a second come in, and the window is {WINDOW_SECONDS} s; the job's own metrics:"
    return f"## Lag while it runs\n\n{told}\n\n{table(header, rows)}"


def full(batches: Iterable[Batch], name: str) -> list[Batch]:
    """Choose those with records."""
    return [batch for batch in batches if batch.contender == name and batch.records]


def empty(batches: Iterable[Batch], name: str) -> list[Batch]:
    """Choose those without."""
    return [batch for batch in batches if batch.contender == name and not batch.records]


def say(what: str) -> None:
    """Report progress."""
    print(f"bench: {what}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
