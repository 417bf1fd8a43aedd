"""One stream, its producer, the job that reads it and the lake that it fills; and whether the lake is right."""

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
from tools.chaos.job import ROOT, Job, Life, RunError
from tools.chaos.producer import Producer
from tools.chaos.progress import QUARANTINE, TABLE, Progress
from tools.chaos.stream import Stream

POLL_SECONDS = 0.005
PATIENCE_SECONDS = 600  # on a machine that is busy otherwise, too
ALL_ROWS = f"""
    select '{TABLE}' as place, payload as text, false as is_base64 from {TABLE}
    union all
    select '{QUARANTINE}', raw, is_base64 from {QUARANTINE}
"""


@dataclass(frozen=True)
class Verdict:
    """The lake beside what was sent."""

    events: int  # distinct ones that were sent
    retried: int
    refused: int
    lives: int
    missing: int
    doubled: int
    foreign: int  # rows of what was never sent, or not there

    @property
    def is_right(self) -> bool:
        """Whether every event is in the table once, and every bad record in the quarantine."""
        return not (self.missing or self.doubled or self.foreign)


class Scene:
    """Everything that one scenario has for itself."""

    def __init__(self, endpoint: str, folder: Path, events: int, seed: int, say: Callable[[str], None] = print) -> None:
        """Begin with an empty stream and an empty lake."""
        self.say = say
        self.rng = Random(seed)
        self.endpoint = endpoint
        self.stream = Stream(aws.session().client("kinesis", endpoint_url=endpoint))
        self.producer = Producer(self.stream, events, seed)
        self.job = Job(folder, self.stream.name, endpoint)
        self.progress = Progress(folder)

    def await_more(self, life: Life, number: Callable[[], int]) -> None:
        """Wait until a number has grown; raise ``RunError`` if the job ends before it has, or does not get there."""
        before, deadline = number(), time.monotonic() + PATIENCE_SECONDS
        while number() <= before:
            if not life.is_running():
                raise RunError(f"the job ended by itself: {life.last_words()}")
            if time.monotonic() > deadline:
                raise RunError(f"the job did not come further in {PATIENCE_SECONDS} s")
            time.sleep(POLL_SECONDS)

    def settle(self) -> Verdict:
        """Send and read the rest; hold the lake against what was sent."""
        self.producer.finish()
        self.job.drain()
        rows = self._rows()
        places = [(self.producer.events, rows[TABLE]), (self.producer.refused, rows[QUARANTINE])]
        surplus = [(sent, row, count) for sent, found in places for row, count in (found - sent).items()]
        return Verdict(
            events=self.producer.events.total(),
            retried=self.producer.retried,
            refused=self.producer.refused.total(),
            lives=self.job.lives,
            missing=sum((sent - found).total() for sent, found in places),
            doubled=sum(count for sent, row, count in surplus if row in sent),
            foreign=sum(count for sent, row, count in surplus if row not in sent),
        )

    def _rows(self) -> dict[str, Counter[bytes]]:
        """Ask as an analyst would."""
        command = [sys.executable, "-m", "local", "--lake", str(self.job.lake), "sql", "--format", "json", ALL_ROWS]
        answer = subprocess.run(command, cwd=ROOT, capture_output=True, check=True)
        rows: dict[str, Counter[bytes]] = {TABLE: Counter(), QUARANTINE: Counter()}
        for row in json.loads(answer.stdout):
            text = base64.b64decode(row["text"]) if row["is_base64"] else row["text"].encode()
            rows[row["place"]][text] += 1
        return rows
