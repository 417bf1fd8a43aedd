"""``python -m tools.bench.sessions_stream``: how long a click takes from put to DynamoDB, and a batch of the job."""

import argparse
import json
import shlex
import shutil
import sys
import threading
import time
from base64 import b64decode
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import redirect_stdout
from dataclasses import dataclass
from datetime import UTC, datetime
from io import StringIO
from os import environ
from pathlib import Path
from statistics import median, quantiles
from typing import Any

from deploy.settings import Settings
from lambdas import store
from local import aws
from local.aws import event_sources
from local.watch import running
from simulator import Live, Options, live_arrivals
from simulator.clock import SECOND
from simulator.delivery import Arrival
from simulator.stream import send
from tools.bench import meter
from tools.bench.report import machine, spread, table

ROOT = Path(__file__).parents[2]
PAGE = Path(__file__).with_name("sessions_stream.md")
CACHE = ROOT / ".cache" / "bench" / "sessions_stream"
JOB = "sessions_stream"
STEP = 2  # seconds of latency that a line of the histogram holds
SENT, STORED = "the record in the stream `sessions`", "the item in DynamoDB"

HOW = """\
## How it was measured

- The simulator puts clicks of now into the local Kinesis, each with the time of its put in `event_name`. The job runs
  as `python -m local watch` runs it, `continuous` with a batch every 5 s, and the function `store` is called with up to
  500 records, all on the same two cores. A record is in the stream at the arrival that Kinesis gives it, and in
  DynamoDB when the function has returned. The local DynamoDB takes a few hundred items a second, so that at 1,000
  clicks a second the second figure says more of it than of the job.
- The first {warm} s, in which Spark starts and Java compiles, are not counted.
- `BatchDuration` is the job's own metric, `BatchUtilization` its share of the batch interval.
"""


@dataclass(frozen=True)
class Latencies:
    """How long clicks took, in seconds from their put."""

    sent: list[float]  # to the stream ``sessions``
    stored: list[float]  # to DynamoDB

    def store(self, event: dict[str, Any], context: Any) -> object:
        """Let the function ``store`` write session updates, and note how old each click was on the way."""
        with redirect_stdout(StringIO()):  # the function's log
            answer = store.handler(event, context)
        there = time.time()
        for record in event["Records"]:
            if put := json.loads(b64decode(record["kinesis"]["data"])).get("event_name"):
                self.sent.append(record["kinesis"]["approximateArrivalTimestamp"] - float(put))
                self.stored.append(there - float(put))
        return answer


def parser() -> argparse.ArgumentParser:
    """Build the command line."""
    command_line = argparse.ArgumentParser(prog="python -m tools.bench.sessions_stream", description=__doc__)
    command_line.add_argument(
        "--rates", type=int, nargs="+", default=[100, 1000], metavar="N", help="clicks/s (100 1000)"
    )
    command_line.add_argument("--seconds", type=int, default=120, metavar="N", help="that are measured, of each (120)")
    command_line.add_argument("--warm", type=int, default=90, metavar="N", help="seconds before these (90)")
    command_line.add_argument("--out", type=Path, default=PAGE, metavar="FILE", help="the page")
    return command_line


def main() -> None:
    """Measure, print the page and write it."""
    meter.log_progress()
    arguments = parser().parse_args()
    command = shlex.join(["python", "-m", "tools.bench.sessions_stream", *sys.argv[1:]])
    parts = [
        "# How long `sessions_stream` takes\n",
        f"{datetime.now(UTC):%Y-%m-%d}, on {machine()}. To repeat it: `{command}`\n",
    ]
    for rate in arguments.rates:
        latencies, batches = run(rate, arguments.warm, arguments.seconds)
        parts += [f"## {rate:,} clicks a second\n", summary(latencies, batches), histogram(latencies)]
    page = "\n".join([*parts, HOW.format(warm=arguments.warm)])
    print(page)
    arguments.out.write_text(page, encoding="utf-8")


def run(rate: int, warm: int, seconds: int) -> tuple[Latencies, list[dict[str, Any]]]:
    """Run the job at a rate; return the latencies of clicks, in seconds, and the metrics of batches."""
    shutil.rmtree(CACHE, ignore_errors=True)
    CACHE.mkdir(parents=True)
    latencies = Latencies([], [])
    log = CACHE / "job.log"
    with aws.running() as endpoint:
        environ.update(aws.environment(endpoint))
        aws.create(endpoint, Settings.read(aws.STAGE))
        with running(CACHE / "lake", endpoint, JOB, log) as job:
            threading.Thread(target=simulate, args=(rate, warm + seconds), daemon=True).start()
            trigger = event_sources.Trigger(
                event_sources.Shards(aws.session().client("kinesis"), "sessions"), latencies.store, batch_size=500
            )
            deliver(trigger, warm)
            counted, begun = len(latencies.sent), len(metrics(log))
            deliver(trigger, seconds)
            if job.poll() is not None:
                raise RuntimeError(f"the job has ended; its log is {log}")
            return Latencies(latencies.sent[counted:], latencies.stored[counted:]), metrics(log)[begun:]


def simulate(rate: int, seconds: int) -> None:
    """Put clicks of now into the stream."""
    live = Live(int(time.time() * SECOND), rate, seconds)
    clicks = live_arrivals("clicks", Options(users=10 * rate, bots=0, duplicates=0, malformed=0), live)
    for _ in send(aws.session().client("kinesis"), "clicks", stamped(clicks), live.end):
        pass


def stamped(clicks: Iterable[Arrival]) -> Iterator[Arrival]:
    """Write into each click when it is put."""
    for due, key, line in clicks:
        yield due, key, json.dumps(json.loads(line) | {"event_name": f"{time.time():.3f}"}).encode()


def deliver(trigger: event_sources.Trigger, seconds: int) -> None:
    """Pass on what comes, for some time."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        trigger.drain()
        time.sleep(0.2)


def metrics(log: Path) -> list[dict[str, Any]]:
    """Parse the metrics that the job has printed."""
    lines = log.read_text(encoding="utf-8").splitlines(keepends=True)
    return [json.loads(line) for line in lines if '"_aws"' in line and line.endswith("\n")]


def summary(latencies: Latencies, batches: list[dict[str, Any]]) -> str:
    """Compare the latencies with the aim, and show the batches."""
    rows = []
    for what, seconds in ((SENT, latencies.sent), (STORED, latencies.stored)):
        cuts = quantiles(seconds, n=100)
        rows.append([what, f"{len(seconds):,}", *(f"{cuts[share - 1]:.1f}" for share in (50, 95, 99))])
    durations = [batch["BatchDuration"] for batch in batches if batch["Read"]]
    read = [batch["Read"] for batch in batches if batch["Read"]]
    of_batches = (
        f"{len(durations)} batches of {median(read):,.0f} clicks (median) took {spread(durations)} s; the aim for a"
        " warm batch of 1,000 is 1.5 s.\n"
    )
    header = ("from the put of a click to", "clicks", "p50, s", "p95, s (aim: 5)", "p99, s")
    return f"{table(header, rows)}\n{of_batches}"


def histogram(latencies: Latencies) -> str:
    """Count the clicks by seconds."""
    counted = [Counter(int(seconds // STEP) for seconds in some) for some in (latencies.sent, latencies.stored)]
    steps = range(1 + max(max(some, default=0) for some in counted))
    rows = [[f"{STEP * step}-{STEP * (step + 1)}", *(f"{some[step]:,}" for some in counted)] for step in steps]
    return table(("s", SENT, STORED), rows)


if __name__ == "__main__":
    main()
