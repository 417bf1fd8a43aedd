"""A checkpoint whose last entry is corrupt, and how its operator repairs it: docs/runbook.md."""

import logging
from itertools import cycle

from tools.chaos.crashes import MOMENTS
from tools.chaos.progress import CHECKPOINT
from tools.chaos.scenario import Scenario

RUN_SECONDS = 40  # about as long as a run takes; the producer is paced by it
CORRUPTIONS = (("committed", "commits"), ("reported", "offsets"), ("committed", "offsets"))  # moment of the kill, log

logger = logging.getLogger(__name__)


def corrupt(scenario: Scenario, rounds: int) -> None:
    """Kill the job, truncate the newest entry of a log, restart the job; if it fails, repair as in the runbook."""
    checkpoint = scenario.job.lake / CHECKPOINT
    with scenario.producer.writing():
        for number, (moment, log) in zip(range(1, rounds + 1), cycle(CORRUPTIONS), strict=False):
            scenario.producer.per_second = scenario.producer.left / ((rounds - number + 2) * RUN_SECONDS)
            with scenario.job.run() as run:
                scenario.await_more(run, scenario.progress.committed)
                scenario.await_more(run, MOMENTS[moment](scenario, run))
                run.kill()
            where = scenario.progress.where()
            entry = max((checkpoint / log).glob("[0-9]*"), key=lambda entry: int(entry.name))
            entry.write_bytes(entry.read_bytes()[: scenario.rng.randrange(entry.stat().st_size)])
            (entry.parent / f".{entry.name}.crc").unlink(missing_ok=True)  # <- not all stores have such a checksum
            with scenario.job.run("available_now") as run:
                has_failed = run.wait() != 0
            logger.info(
                "checkpoints %d/%d: killed %s; the job %s with a truncated %s/%s",
                *(number, rounds, where, f"fails ({run.error_message()})" if has_failed else "runs", log, entry.name),
            )
            if has_failed:
                for folder in ("offsets", "commits"):
                    (checkpoint / folder / entry.name).unlink(missing_ok=True)
                    (checkpoint / folder / f".{entry.name}.crc").unlink(missing_ok=True)
