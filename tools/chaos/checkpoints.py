"""A checkpoint whose last entry is torn, and what its operator does then: docs/runbook.md."""

from itertools import cycle

from tools.chaos.crashes import MOMENTS
from tools.chaos.progress import CHECKPOINT
from tools.chaos.scenario import Scene

LIFE_SECONDS = 40  # about as long as a life takes; the producer is paced by it
TURNS = (("committed", "commits"), ("reported", "offsets"), ("committed", "offsets"))  # killed at, and torn then


def tear(scene: Scene, rounds: int) -> None:
    """Kill the job, tear the newest entry of a log, start the job, and mend what it refuses as the runbook says."""
    checkpoint = scene.job.lake / CHECKPOINT
    with scene.producer.writing():
        for number, (moment, log) in zip(range(1, rounds + 1), cycle(TURNS), strict=False):
            scene.producer.per_second = scene.producer.left / ((rounds - number + 2) * LIFE_SECONDS)
            with scene.job.life() as life:
                scene.await_more(life, scene.progress.committed)
                scene.await_more(life, MOMENTS[moment](scene, life))
                life.kill()
            where = scene.progress.where(life.began)
            torn = max((checkpoint / log).glob("[0-9]*"), key=lambda entry: int(entry.name))
            torn.write_bytes(torn.read_bytes()[: scene.rng.randrange(torn.stat().st_size)])
            (torn.parent / f".{torn.name}.crc").unlink(missing_ok=True)  # <- not all stores have such a checksum
            with scene.job.life("available_now") as life:
                is_refused = life.wait() != 0
            end = f"is refused ({life.last_words()})" if is_refused else "does not matter"
            scene.say(f"checkpoints {number}/{rounds}: killed {where}; {log}/{torn.name} torn {end}")
            if is_refused:
                for folder in ("offsets", "commits"):
                    (checkpoint / folder / torn.name).unlink(missing_ok=True)
                    (checkpoint / folder / f".{torn.name}.crc").unlink(missing_ok=True)
