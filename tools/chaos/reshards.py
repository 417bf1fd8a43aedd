"""Shards that are split and merged while the job runs and while it does not, and a producer that pauses."""

import logging
import time

from tools.chaos.scenario import Scenario

RUN_SECONDS = 30  # about as long as a run takes; the producer is paced by it
PAUSE_SECONDS = 8  # a batch takes 1
MAX_SHARDS = 6

logger = logging.getLogger(__name__)


def reshard(scenario: Scenario, runs: int) -> None:
    """Change the shards twice during each run of the job, and four times after it."""
    with scenario.producer.writing():
        for number in range(1, runs + 1):
            per_second = scenario.producer.left / ((runs - number + 2) * RUN_SECONDS)
            scenario.producer.per_second = per_second
            with scenario.job.run() as run:
                for _ in range(2):
                    scenario.await_more(run, scenario.progress.committed)
                    split_or_merge(scenario)
                scenario.producer.per_second = 0
                time.sleep(PAUSE_SECONDS)
                scenario.producer.per_second = per_second
                scenario.await_more(run, scenario.progress.committed)
                run.kill()
            split_or_merge(scenario)  # <- with records that are not read yet
            split_or_merge(scenario)
            first = scenario.stream.shards()[0]
            scenario.stream.split(first)
            scenario.stream.merge(*scenario.stream.shards()[:2])  # <- almost empty
            logger.info(
                "reshards %d/%d: %d shards are open, %d closed; %s events are left to send",
                *(number, runs, len(scenario.stream.shards()), len(scenario.stream.shards(are_open=False))),
                f"{scenario.producer.left:,}",
            )


def split_or_merge(scenario: Scenario) -> None:
    """Split a shard, or merge two where there are many."""
    shards = scenario.stream.shards()
    place = scenario.rng.randrange(len(shards) - 1)
    if len(shards) < MAX_SHARDS:
        scenario.stream.split(shards[place])
    else:
        scenario.stream.merge(shards[place], shards[place + 1])
