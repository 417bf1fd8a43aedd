"""What it costs to drain a stream: the job and the floor, each a process of its own, in turns.

Run as ``python -m tools.bench.drains ENDPOINT STREAM OUT ROUNDS``; OUT/drains.json gets the costs by contender.
It is a process of its own because ``meter`` waits for every child, and the local AWS does not end.
"""

import json
import os
import shutil
import sys
from collections import deque
from dataclasses import asdict
from pathlib import Path

from local import aws
from tools.bench import meter, worker_daemon
from tools.chaos.job import Job

JOB, FLOOR, STARTUP = "events_stream", "floor", "startup"


def main(endpoint: str, stream: str, out: Path, rounds: int) -> None:
    """Let each contender drain the whole stream once in each round, and another one begin it."""
    meter.adopt_orphans()
    os.environ |= aws.environment(endpoint) | {"PYSPARK_SUBMIT_ARGS": worker_daemon.SUBMIT_ARGUMENTS}
    costs: dict[str, list[dict[str, float]]] = {name: [] for name in (JOB, FLOOR, STARTUP)}
    order = deque(costs)
    for number in range(1, rounds + 1):
        for name in order:
            shutil.rmtree(out / name, ignore_errors=True)
            cost = meter.run(command(name, endpoint, stream, out / name), out / f"{name}.log")
            costs[name].append(asdict(cost))
            print(f"bench: round {number}, {name}: {cost.wall:.1f} s, {cost.cpu:.1f} CPU s", file=sys.stderr)
        order.rotate(-1)
    (out / "drains.json").write_text(json.dumps(costs), encoding="utf-8")


def command(name: str, endpoint: str, stream: str, folder: Path) -> list[str]:
    """Say how a contender is started."""
    if name == JOB:
        return Job(folder, stream, endpoint).command("available_now", batch_interval_seconds=900)
    if name == FLOOR:
        return [sys.executable, "-m", "tools.bench.baselines.stream_floor", endpoint, stream, str(folder)]
    return [sys.executable, "-m", "tools.bench.baselines.startup", "-", str(folder)]


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]), int(sys.argv[4]))
