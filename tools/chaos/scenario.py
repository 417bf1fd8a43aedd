"""One stream, its producer, the job that reads it and the lake it fills; and whether the lake is right."""

import base64
import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random

from local import aws
from tools.chaos.job import ROOT, EventsStreamJob, JobProcess, RunError
from tools.chaos.producer import Producer
from tools.chaos.progress import QUARANTINE, TABLE, Progress
from tools.chaos.stream import KinesisStream

POLL_SECONDS = 0.005
PATIENCE_SECONDS = 600  # also on a machine that is busy otherwise
ALL_ROWS = f"""
    select '{TABLE}' as table_name, payload as text, false as is_base64 from {TABLE}
    union all
    select '{QUARANTINE}', raw, is_base64 from {QUARANTINE}
"""


@dataclass(frozen=True)
class Result:
    """The lake compared with what was sent."""

    events: int  # distinct ones that were sent
    retried: int
    malformed: int
    runs: int
    missing: int
    duplicated: int
    unexpected: int  # rows that were never sent, or are in the wrong table

    @property
    def is_right(self) -> bool:
        """Whether every event is in the table once, and every malformed record in the quarantine once."""
        return not (self.missing or self.duplicated or self.unexpected)


class Scenario:
    """A stream, a producer, a job and a lake, used by nothing else."""

    def __init__(self, endpoint: str, folder: Path, events: int, seed: int) -> None:
        self.rng = Random(seed)
        self.endpoint = endpoint
        self.stream = KinesisStream(aws.session().client("kinesis", endpoint_url=endpoint))
        self.producer = Producer(self.stream, events, seed)
        self.job = EventsStreamJob(folder, self.stream.name, endpoint)
        self.progress = Progress(folder)

    def await_more(self, run: JobProcess, number: Callable[[], int]) -> None:
        """Wait until a number has grown; raise ``RunError`` if the job ends before, or takes too long."""
        before, deadline = number(), time.monotonic() + PATIENCE_SECONDS
        while number() <= before:
            if not run.is_running():
                raise RunError(f"the job ended by itself: {run.error_message()}")
            if time.monotonic() > deadline:
                raise RunError(f"the job made no progress in {PATIENCE_SECONDS} s")
            time.sleep(POLL_SECONDS)

    def finish(self) -> Result:
        """Send and process the rest; compare the lake with what was sent."""
        self.producer.finish()
        self.job.drain()
        rows = self._rows()
        tables = [(self.producer.events, rows[TABLE]), (self.producer.malformed, rows[QUARANTINE])]
        surplus = [(sent, row, count) for sent, found in tables for row, count in (found - sent).items()]
        return Result(
            events=self.producer.events.total(),
            retried=self.producer.retried,
            malformed=self.producer.malformed.total(),
            runs=self.job.runs,
            missing=sum((sent - found).total() for sent, found in tables),
            duplicated=sum(count for sent, row, count in surplus if row in sent),
            unexpected=sum(count for sent, row, count in surplus if row not in sent),
        )

    def _rows(self) -> dict[str, Counter[bytes]]:
        """Query both tables, as an analyst would."""
        command = [sys.executable, "-m", "local", "--lake", str(self.job.lake), "sql", "--format", "json", ALL_ROWS]
        query = subprocess.run(command, cwd=ROOT, capture_output=True, check=True)
        rows: dict[str, Counter[bytes]] = {TABLE: Counter(), QUARANTINE: Counter()}
        for row in json.loads(query.stdout):
            text = base64.b64decode(row["text"]) if row["is_base64"] else row["text"].encode()
            rows[row["table_name"]][text] += 1
        return rows
