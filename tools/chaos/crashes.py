"""``kill -9`` at any time, and at the moments that matter."""

import logging
import time
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import cycle, islice

from tools.chaos.job import JobProcess
from tools.chaos.scenario import Scenario

RUN_SECONDS = 20  # about as long as the first run takes
ANY_TIME = "any time"
MOMENTS: dict[str, Callable[[Scenario, JobProcess], Callable[[], int]]] = {  # a number that grows at the moment
    "planned": lambda scenario, _: scenario.progress.planned,
    "staged": lambda scenario, _: scenario.progress.branches,
    "published": lambda scenario, _: scenario.progress.published,
    "quarantined": lambda scenario, _: scenario.progress.quarantined,
    "reported": lambda _, run: run.batches,
    "committed": lambda scenario, _: scenario.progress.committed,
}
KILLS = (
    *("published", ANY_TIME, "quarantined", ANY_TIME, "reported", ANY_TIME, "staged", ANY_TIME, "planned", "committed"),
)

logger = logging.getLogger(__name__)


def crash(scenario: Scenario, moments: Sequence[str]) -> Counter[str]:
    """Kill a run of the job at each of the moments; count where the runs stood."""
    stood = Counter[str]()
    usual_seconds: float = RUN_SECONDS
    with scenario.producer.writing():
        for number, moment in enumerate(moments, 1):
            scenario.producer.per_second = scenario.producer.left / ((len(moments) - number + 2) * usual_seconds)
            with scenario.job.run() as run:
                if moment == ANY_TIME:
                    time.sleep(scenario.rng.uniform(0.3, 1.3) * usual_seconds)
                else:
                    scenario.await_more(run, MOMENTS[moment](scenario, run))
                    usual_seconds = time.time() - run.started_at
                run.kill()
            where = scenario.progress.where()
            stood[where] += 1
            logger.info(
                "crashes %d/%d: killed at %s, %s, after %d batches; %s events are left to send",
                *(number, len(moments), moment, where, run.batches(), f"{scenario.producer.left:,}"),
            )
    logger.info("crashes: %s", ", ".join(f"{count} {where}" for where, count in stood.most_common()))
    return stood


def kills(rounds: int) -> list[str]:
    """Return as many moments, each kind in turn."""
    return list(islice(cycle(KILLS), rounds))
