"""``kill -9`` at any time, and at the moments that matter."""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import cycle, islice

from tools.chaos.job import Life
from tools.chaos.scenario import Scene

LIFE_SECONDS = 20  # about as long as the first life takes
ANY_TIME = "any time"
MOMENTS: dict[str, Callable[[Scene, Life], Callable[[], int]]] = {  # a number that grows when it comes
    "planned": lambda scene, _: scene.progress.planned,
    "staged": lambda scene, _: scene.progress.branches,
    "published": lambda scene, _: scene.progress.published,
    "quarantined": lambda scene, _: scene.progress.quarantined,
    "reported": lambda _, life: life.reported,
    "committed": lambda scene, _: scene.progress.committed,
}
TURNS = (
    *("published", ANY_TIME, "quarantined", ANY_TIME, "reported", ANY_TIME, "staged", ANY_TIME, "planned", "committed"),
)


def crash(scene: Scene, moments: Sequence[str]) -> Counter[str]:
    """Kill a life of the job at each of the moments; count where they stood."""
    stood = Counter[str]()
    usual: float = LIFE_SECONDS
    with scene.producer.writing():
        for number, moment in enumerate(moments, 1):
            scene.producer.per_second = scene.producer.left / ((len(moments) - number + 2) * usual)
            with scene.job.life() as life:
                if moment == ANY_TIME:
                    time.sleep(scene.rng.uniform(0.3, 1.3) * usual)
                else:
                    scene.await_more(life, MOMENTS[moment](scene, life))
                    usual = time.time() - life.began
                life.kill()
            where = scene.progress.where(life.began)
            stood[where] += 1
            scene.say(
                f"crashes {number}/{len(moments)}: killed at {moment}, {where}, after {life.reported()} batches;"
                f" {scene.producer.left:,} events are to come"
            )
    scene.say("crashes: " + ", ".join(f"{count} {where}" for where, count in stood.most_common()))
    return stood


def turns(rounds: int) -> list[str]:
    """Give as many moments, each kind in turn."""
    return list(islice(cycle(TURNS), rounds))
