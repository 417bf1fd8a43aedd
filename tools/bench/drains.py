"""The cost of draining a stream: the job and the floor, each as its own process, in turns.

Run as ``python -m tools.bench.drains ENDPOINT STREAM OUT ROUNDS``; it writes the costs by name to OUT/drains.json.
It is a process of its own because ``meter`` waits for every child, and the local AWS does not end.
"""

import json
import logging
import os
import shutil
import sys
from collections import deque
from dataclasses import asdict
from pathlib import Path

from local import aws
from tools.bench import meter, worker_daemon
from tools.chaos.job import EventsStreamJob

JOB, FLOOR, STARTUP = "events_stream", "floor", "startup"

logger = logging.getLogger(__name__)


def main(endpoint: str, stream: str, out: Path, rounds: int) -> None:
    """Drain the whole stream with each command once a round; another one starts each round."""
    meter.adopt_orphans()
    os.environ |= aws.environment(endpoint) | {"PYSPARK_SUBMIT_ARGS": worker_daemon.SUBMIT_ARGUMENTS}
    costs: dict[str, list[dict[str, float]]] = {name: [] for name in (JOB, FLOOR, STARTUP)}
    order = deque(costs)
    for number in range(1, rounds + 1):
        for name in order:
            shutil.rmtree(out / name, ignore_errors=True)
            cost = meter.run(command(name, endpoint, stream, out / name), out / f"{name}.log")
            costs[name].append(asdict(cost))
            logger.info("round %d, %s: %.1f s, %.1f CPU s", number, name, cost.wall, cost.cpu)
        order.rotate(-1)
    (out / "drains.json").write_text(json.dumps(costs), encoding="utf-8")


def command(name: str, endpoint: str, stream: str, folder: Path) -> list[str]:
    """Return the command line of the job, the floor or the start-up."""
    if name == JOB:
        return EventsStreamJob(folder, stream, endpoint).command("available_now", batch_interval_seconds=900)
    if name == FLOOR:
        return [sys.executable, "-m", "tools.bench.baselines.stream_floor", endpoint, stream, str(folder)]
    return [sys.executable, "-m", "tools.bench.baselines.startup", "-", str(folder)]


if __name__ == "__main__":
    meter.log_progress()
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]), int(sys.argv[4]))
