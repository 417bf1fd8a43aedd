"""Calls that are throttled, folders that cannot be reached and a catalog that is locked, each for a while."""

import logging
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path

from tools.chaos.fault_proxy import THROTTLED, FaultProxy
from tools.chaos.progress import CATALOG, CHECKPOINT, QUARANTINE, TABLE
from tools.chaos.scenario import Scenario

RUN_SECONDS = 60  # about as long as a run takes; the producer is paced by it
BATCHES_PER_RUN, MAX_RUN_SECONDS = 3, 240
THROTTLED_CALLS = dict.fromkeys(("GetRecords", "GetShardIterator", "ListShards"), (THROTTLED, 0.3))
PAUSE_SECONDS = 1, 8

logger = logging.getLogger(__name__)


def fail(scenario: Scenario, runs: int) -> Counter[str]:
    """Cause a fault every few seconds, and restart the job where it ends; count the faults."""
    for name in (TABLE, QUARANTINE, CHECKPOINT):
        make_symlink(scenario.job.lake / name)
    faults = Counter[str]()
    with FaultProxy.running(scenario.endpoint) as proxy, scenario.producer.writing():
        proxy.failing = THROTTLED_CALLS
        scenario.job.endpoint = proxy.url
        for number in range(1, runs + 1):
            scenario.producer.per_second = scenario.producer.left / ((runs - number + 2) * RUN_SECONDS)
            with scenario.job.run() as run:
                deadline = time.monotonic() + MAX_RUN_SECONDS
                while run.is_running() and run.batches() < BATCHES_PER_RUN and time.monotonic() < deadline:
                    time.sleep(scenario.rng.uniform(*PAUSE_SECONDS))
                    name, (outage, seconds) = scenario.rng.choice(list(OUTAGES.items()))
                    with outage(scenario.job.lake / name):
                        time.sleep(scenario.rng.uniform(*seconds))
                    faults[name] += 1
                end = "killed" if run.is_running() else f"failed ({run.error_message()})"
            logger.info(
                "faults %d/%d: %s, after %d batches; %s events are left to send",
                *(number, runs, end, run.batches(), f"{scenario.producer.left:,}"),
            )
        faults[THROTTLED] = proxy.calls[THROTTLED]
    scenario.job.endpoint = scenario.endpoint
    logger.info("faults: %s", ", ".join(f"{count} {name}" for name, count in faults.most_common()))
    return faults


def make_symlink(folder: Path) -> None:
    """Make a symbolic link in place of a folder to be created: it can be redirected in one step."""
    target = folder.with_name(f"{folder.name}.disk")
    target.mkdir(parents=True)
    folder.symlink_to(target)


@contextmanager
def unreachable(link: Path) -> Iterator[None]:
    """Redirect a link to a file: nothing is found below it, and nothing can be created there."""
    folder, file = link.readlink(), link.with_name(f"{link.name}.no_folder")
    file.touch()
    redirect(link, file)
    try:
        yield
    finally:
        redirect(link, folder)


def redirect(link: Path, target: Path) -> None:
    """Replace a link in one step."""
    redirected = link.with_name(f"{link.name}.redirected")
    redirected.symlink_to(target)
    redirected.replace(link)


@contextmanager
def locked(catalog: Path) -> Iterator[None]:
    """Hold an exclusive lock on the catalog."""
    with closing(sqlite3.connect(catalog, isolation_level=None, timeout=60)) as connection:
        connection.execute("begin exclusive")
        try:
            yield
        finally:
            connection.execute("rollback")


OUTAGES: dict[str, tuple[Callable[[Path], AbstractContextManager[None]], tuple[float, float]]] = {
    TABLE: (unreachable, (0.5, 6)),  # seconds; a batch is retried after 1, 2 and 5, so the job outlasts some
    QUARANTINE: (unreachable, (0.5, 6)),
    CHECKPOINT: (unreachable, (0.5, 2)),
    CATALOG: (locked, (1, 40)),  # the job waits for 30
}
