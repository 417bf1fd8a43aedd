"""A checkpoint whose last entry is torn, and what its operator does then: docs/runbook.md."""

import shutil
from pathlib import Path

from chaos.progress import CHECKPOINT
from chaos.scene import Scene

LIFE_SECONDS = 40


def tear(scene: Scene, rounds: int) -> None:
    """Kill the job, tear the newest entry of a log, start the job, and mend what it refuses as the runbook says."""
    checkpoint = scene.job.lake / CHECKPOINT
    with scene.producer.writing():
        for number in range(1, rounds + 1):
            scene.producer.per_second = scene.producer.left / ((rounds - number + 2) * LIFE_SECONDS)
            log = ("offsets", "commits")[number % 2]
            with scene.job.life() as life:
                scene.await_more(life, scene.progress.committed)
                scene.await_more(life, life.reported if log == "offsets" else scene.progress.committed)
                life.kill()
            where = scene.progress.where(life.began)
            torn = newest(checkpoint / log)
            torn.write_bytes(torn.read_bytes()[: scene.rng.randrange(torn.stat().st_size)])
            (torn.parent / f".{torn.name}.crc").unlink()  # <- as in a store that knows no checksums of Hadoop's
            with scene.job.life("available_now") as life:
                is_refused = life.wait() != 0
            end = f"is refused ({life.last_words()})" if is_refused else "does not matter"
            scene.say(f"checkpoints {number}/{rounds}: killed {where}; {log}/{torn.name} torn {end}")
            if is_refused and log == "commits":
                torn.unlink()
            elif is_refused:
                shutil.rmtree(checkpoint)


def newest(log: Path) -> Path:
    """Find the last entry."""
    return max(log.glob("[0-9]*"), key=lambda entry: int(entry.name))
