"""The job as a process that can be killed: ``python -m local run events_stream``, as anyone would run it."""

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

ROOT = Path(__file__).parent.parent
LONGEST_SECONDS = 600  # of a run that has to end by itself


class RunError(Exception):
    """A run that had to succeed did not."""


class Life:
    """One run of the job, from its start to its end."""

    def __init__(self, command: list[str], endpoint: str, log: Path) -> None:
        """Start it."""
        self.began = time.time()
        self._said, self._log = log.with_suffix(".out"), log.with_suffix(".err")
        quick_to_start = {"JAVA_TOOL_OPTIONS": "-XX:TieredStopAtLevel=1"}
        with self._said.open("wb") as said, self._log.open("wb") as logged:
            self._process = subprocess.Popen(
                command,
                cwd=ROOT,
                env=os.environ | aws.environment(endpoint) | quick_to_start,
                stdout=said,
                stderr=logged,
                start_new_session=True,  # a process group of its own, with Spark's JVM
            )

    def kill(self) -> None:
        """``kill -9`` it and its JVM; Python workers end when their JVM is gone."""
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def wait(self, seconds: float = LONGEST_SECONDS) -> int:
        """Give its status once it has ended."""
        return self._process.wait(seconds)

    def is_running(self) -> bool:
        """Whether it has not ended."""
        return self._process.poll() is None

    def reported(self) -> int:
        """Count the batches of which it has printed metrics."""
        return self._said.read_bytes().count(b'"_aws"')

    def metrics(self) -> list[dict[str, Any]]:
        """Read the metrics that it has printed."""
        lines = self._said.read_text(encoding="utf-8").splitlines(keepends=True)
        return [json.loads(line) for line in lines if '"_aws"' in line and line.endswith("\n")]

    def last_words(self) -> str:
        """Give the sentence that it ended with."""
        lines = self._log.read_text(encoding="utf-8", errors="replace").splitlines()
        return next((line for line in reversed(lines) if line.startswith("events_stream: ")), "")[:200]


@dataclass
class Job:
    """What every run of it is started with; ``endpoint`` is where it reads the stream."""

    lake: Path
    stream: str
    endpoint: str
    lives: int = 0

    @contextmanager
    def life(self, run: str = "continuous", batch_interval_seconds: int = 1) -> Iterator[Life]:
        """Start it; it does not outlive the block."""
        self.lives += 1
        logs = self.lake / "lives"
        logs.mkdir(parents=True, exist_ok=True)
        life = Life(self.command(run, batch_interval_seconds), self.endpoint, logs / f"{self.lives:03}")
        try:
            yield life
        finally:
            if life.is_running():
                life.kill()

    def command(self, run: str, batch_interval_seconds: int) -> list[str]:
        """Say how it is started."""
        lake = str(self.lake)
        paths = ["--quarantine_table", f"{lake}/{QUARANTINE}", "--checkpoint_path", f"{lake}/{CHECKPOINT}"]
        stream = ["--stream_name", self.stream, "--endpoint_url", self.endpoint, "--events_table", TABLE]
        job = [sys.executable, "-m", "local", "--lake", lake, "run", "events_stream", *stream, *paths]
        return [*job, "--trigger", run, "--batch_interval_seconds", str(batch_interval_seconds)]

    def drain(self) -> None:
        """Run it until all is read that was there: the first run may end with the batch that a crash has left."""
        for _ in range(2):
            with self.life("available_now") as life:
                if life.wait():
                    raise RunError(f"a run that drains the stream failed: {life.last_words()}")
