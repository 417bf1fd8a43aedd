"""The job as a process that can be killed: ``python -m local run events_stream``, as a user would run it."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local import aws
from tools.chaos.progress import CHECKPOINT, QUARANTINE, TABLE

ROOT = Path(__file__).parents[2]
MAX_RUN_SECONDS = 600  # of a run that ends by itself


class RunError(Exception):
    """A run that had to succeed failed."""


class JobProcess:
    """One run of the job, from its start to its end."""

    def __init__(self, command: list[str], endpoint: str, log: Path) -> None:
        self.started_at = time.time()
        self._stdout, self._stderr = log.with_suffix(".out"), log.with_suffix(".err")
        quick_to_start = {"JAVA_TOOL_OPTIONS": "-XX:TieredStopAtLevel=1"}
        with self._stdout.open("wb") as stdout, self._stderr.open("wb") as stderr:
            self._process = subprocess.Popen(
                command,
                cwd=ROOT,
                env=os.environ | aws.environment(endpoint) | quick_to_start,
                stdout=stdout,
                stderr=stderr,
                start_new_session=True,  # its own process group, with Spark's JVM
            )

    def kill(self) -> None:
        """``kill -9`` it and its JVM; Python workers end when their JVM is gone."""
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def wait(self, seconds: float = MAX_RUN_SECONDS) -> int:
        """Wait for its end and return the exit status."""
        return self._process.wait(seconds)

    def is_running(self) -> bool:
        return self._process.poll() is None

    def batches(self) -> int:
        """Count the batches with records whose metrics it has printed."""
        return sum(batch["Read"] > 0 for batch in self.metrics())

    def metrics(self) -> list[dict[str, Any]]:
        """Parse the metrics that it has printed."""
        lines = self._stdout.read_text(encoding="utf-8").splitlines(keepends=True)
        return [json.loads(line) for line in lines if '"_aws"' in line and line.endswith("\n")]

    def error_message(self) -> str:
        """Return the last message of the job on standard error."""
        lines = self._stderr.read_text(encoding="utf-8", errors="replace").splitlines()
        return next((line for line in reversed(lines) if line.startswith("events_stream: ")), "")[:200]


@dataclass
class EventsStreamJob:
    """The arguments that all runs share; ``endpoint`` is where the job reads the stream."""

    lake: Path
    stream: str
    endpoint: str
    runs: int = 0

    @contextmanager
    def run(self, trigger: str = "continuous", batch_interval_seconds: int = 1) -> Iterator[JobProcess]:
        """Start a run; kill it at the end of the block if it is still running."""
        self.runs += 1
        logs = self.lake / "logs"
        logs.mkdir(parents=True, exist_ok=True)
        command = self.command(trigger, batch_interval_seconds)
        run = JobProcess(command, self.endpoint, logs / f"{self.runs:03}")
        try:
            yield run
        finally:
            if run.is_running():
                run.kill()

    def command(self, trigger: str, batch_interval_seconds: int) -> list[str]:
        """Return the command line of a run."""
        arguments = {
            "stream_name": self.stream,
            "endpoint_url": self.endpoint,
            "events_table": TABLE,
            "quarantine_table": QUARANTINE,
            "checkpoint_path": f"{self.lake}/{CHECKPOINT}",
            "trigger": trigger,
            "batch_interval_seconds": str(batch_interval_seconds),
        }
        options = [word for name, value in arguments.items() for word in (f"--{name}", value)]
        return [sys.executable, "-m", "local", "--lake", str(self.lake), "run", "events_stream", *options]

    def drain(self) -> None:
        """Process all that the stream holds: the first run may end with the batch that a crash has left."""
        for _ in range(2):
            with self.run("available_now") as run:
                if run.wait():
                    raise RunError(f"a run that drains the stream failed: {run.error_message()}")
