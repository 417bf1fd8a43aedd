"""Shards that are split and merged while the job runs and while it does not, and a producer that takes a pause."""

import time

from tools.chaos.scenario import Scene

LIFE_SECONDS = 30  # about as long as a life takes; the producer is paced by it
PAUSE_SECONDS = 8  # the job's window is one
MOST_SHARDS = 6


def reshard(scene: Scene, lives: int) -> None:
    """Change the shards twice in each life of the job, and four times after it."""
    with scene.producer.writing():
        for number in range(1, lives + 1):
            pace = scene.producer.left / ((lives - number + 2) * LIFE_SECONDS)
            scene.producer.per_second = pace
            with scene.job.life(batch_interval_seconds=1) as life:
                for _ in range(2):
                    scene.await_more(life, scene.progress.committed)
                    change(scene)
                scene.producer.per_second = 0
                time.sleep(PAUSE_SECONDS)
                scene.producer.per_second = pace
                scene.await_more(life, scene.progress.committed)
                life.kill()
            change(scene)  # <- with records that are not read
            change(scene)
            first = scene.stream.shards()[0]
            scene.stream.split(first)
            scene.stream.merge(*scene.stream.shards()[:2])  # <- as good as empty
            scene.say(
                f"reshards {number}/{lives}: {len(scene.stream.shards())} shards are open,"
                f" {len(scene.stream.shards(are_open=False))} closed; {scene.producer.left:,} events are to come"
            )


def change(scene: Scene) -> None:
    """Split one, or merge two where there are many."""
    shards = scene.stream.shards()
    place = scene.rng.randrange(len(shards) - 1)
    if len(shards) < MOST_SHARDS:
        scene.stream.split(shards[place])
    else:
        scene.stream.merge(shards[place], shards[place + 1])
