"""Calls that are throttled, folders that cannot be reached and a catalog that does not answer, each for a while."""

import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path

from tools.chaos.fault_proxy import THROTTLED, Front
from tools.chaos.progress import CATALOG, CHECKPOINT, QUARANTINE, TABLE
from tools.chaos.scenario import Scene

LIFE_SECONDS = 60  # about as long as a life takes; the producer is paced by it
LIFE_BATCHES, LONGEST_LIFE_SECONDS = 3, 240
THROTTLED_CALLS = dict.fromkeys(("GetRecords", "GetShardIterator", "ListShards"), (THROTTLED, 0.3))
PAUSE_SECONDS = 1, 8


def fail(scene: Scene, lives: int) -> Counter[str]:
    """Let something fail every few seconds, and start the job again where it ends; count what failed."""
    for name in (TABLE, QUARANTINE, CHECKPOINT):
        put_elsewhere(scene.job.lake / name)
    failed = Counter[str]()
    with Front.before(scene.endpoint) as front, scene.producer.writing():
        front.refused = THROTTLED_CALLS
        scene.job.endpoint = front.url
        for number in range(1, lives + 1):
            scene.producer.per_second = scene.producer.left / ((lives - number + 2) * LIFE_SECONDS)
            with scene.job.life() as life:
                deadline = time.monotonic() + LONGEST_LIFE_SECONDS
                while life.is_running() and life.reported() < LIFE_BATCHES and time.monotonic() < deadline:
                    time.sleep(scene.rng.uniform(*PAUSE_SECONDS))
                    name, (outage, seconds) = scene.rng.choice(list(OUTAGES.items()))
                    with outage(scene.job.lake / name):
                        time.sleep(scene.rng.uniform(*seconds))
                    failed[name] += 1
                end = "killed" if life.is_running() else f"ended by itself ({life.last_words()})"
            scene.say(
                f"faults {number}/{lives}: {end}, after {life.reported()} batches;"
                f" {scene.producer.left:,} events are to come"
            )
        failed[THROTTLED] = front.calls[THROTTLED]
    scene.job.endpoint = scene.endpoint
    scene.say("faults: " + ", ".join(f"{count} {name}" for name, count in failed.most_common()))
    return failed


def put_elsewhere(folder: Path) -> None:
    """Make a symbolic link of a folder that is to be made: it can be turned in one step."""
    disk = folder.with_name(f"{folder.name}.disk")
    disk.mkdir(parents=True)
    folder.symlink_to(disk)


@contextmanager
def unreachable(link: Path) -> Iterator[None]:
    """Let it lead to a file: nothing is found below it, and nothing can be made there."""
    folder, file = link.readlink(), link.with_name(f"{link.name}.no_folder")
    file.touch()
    turn(link, file)
    try:
        yield
    finally:
        turn(link, folder)


def turn(link: Path, target: Path) -> None:
    """Let a link lead elsewhere, at once."""
    turned = link.with_name(f"{link.name}.turned")
    turned.symlink_to(target)
    turned.replace(link)


@contextmanager
def locked(catalog: Path) -> Iterator[None]:
    """Keep everyone else out of it."""
    with closing(sqlite3.connect(catalog, isolation_level=None, timeout=60)) as held:
        held.execute("begin exclusive")
        try:
            yield
        finally:
            held.execute("rollback")


OUTAGES: dict[str, tuple[Callable[[Path], AbstractContextManager[None]], tuple[float, float]]] = {
    TABLE: (unreachable, (0.5, 6)),  # seconds; a batch is begun again after 1, 2 and 5, so some are outlasted
    QUARANTINE: (unreachable, (0.5, 6)),
    CHECKPOINT: (unreachable, (0.5, 2)),
    CATALOG: (locked, (1, 40)),  # the job waits for 30
}
