"""``python -m tools.chaos``: disturb the stream's job while events arrive; compare its tables with what was sent."""

import argparse
import logging
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from local import aws
from tools.chaos.checkpoints import corrupt
from tools.chaos.crashes import crash, kills
from tools.chaos.faults import fail
from tools.chaos.reshards import reshard
from tools.chaos.scenario import Result, Scenario

SCENARIOS: dict[str, Callable[[Scenario, int], object]] = {
    "crashes": lambda scenario, rounds: crash(scenario, kills(rounds)),
    "reshards": lambda scenario, rounds: reshard(scenario, -(-rounds // 4)),
    "faults": lambda scenario, rounds: fail(scenario, -(-rounds // 4)),
    "checkpoints": lambda scenario, rounds: corrupt(scenario, -(-rounds // 4)),
}
COLUMNS = (
    *("scenario", "runs", "events", "retried", "malformed", "missing", "duplicated", "unexpected", "minutes", ""),
)


def parser() -> argparse.ArgumentParser:
    """Build the command line."""
    command_line = argparse.ArgumentParser(prog="python -m tools.chaos", description=__doc__)
    add = command_line.add_argument
    add("--rounds", type=int, default=20, metavar="N", help="kills; the other scenarios take a quarter (20)")
    add("--events", type=int, default=50_000, metavar="N", help="distinct events per scenario (50000)")
    add("--seed", type=int, default=1, metavar="N", help="another seed disturbs at other moments (1)")
    add("--only", nargs="+", choices=SCENARIOS, default=list(SCENARIOS), metavar="SCENARIO")
    return command_line


def main() -> int:
    """Run the scenarios and print their results; return 0, and delete the lakes, only if all are right."""
    arguments = parser().parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    folder = Path(tempfile.mkdtemp(prefix="chaos-"))
    rows: list[tuple[str, ...]] = [COLUMNS]
    results: list[Result] = []
    with aws.running() as endpoint:
        for name in arguments.only:
            start = time.monotonic()
            scenario = Scenario(endpoint, folder / name, arguments.events, arguments.seed)
            SCENARIOS[name](scenario, arguments.rounds)
            results.append(scenario.finish())
            rows.append(row(name, results[-1], time.monotonic() - start))
    for cells in rows:
        print("  ".join(cell.rjust(len(title)) for cell, title in zip(cells, COLUMNS, strict=True)))
    if not all(result.is_right for result in results):
        print(f"chaos: the lakes and the job's logs are in {folder}", file=sys.stderr)
        return 1
    shutil.rmtree(folder)
    return 0


def row(name: str, result: Result, seconds: float) -> tuple[str, ...]:
    """Return a line of the summary."""
    numbers = (result.runs, result.events, result.retried, result.malformed)
    wrong = (result.missing, result.duplicated, result.unexpected)
    counts = [f"{number:,}" for number in (*numbers, *wrong)]
    return (name, *counts, f"{seconds / 60:.1f}", "right" if result.is_right else "WRONG")


if __name__ == "__main__":
    sys.exit(main())
