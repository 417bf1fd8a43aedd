"""``python -m tools.chaos``: hurt the stream's job while events are written, and hold its tables against what was sent."""

import argparse
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from local import aws
from tools.chaos.checkpoints import tear
from tools.chaos.crashes import crash, turns
from tools.chaos.faults import fail
from tools.chaos.reshards import reshard
from tools.chaos.scenario import Scene, Verdict

SCENARIOS: dict[str, Callable[[Scene, int], object]] = {
    "crashes": lambda scene, rounds: crash(scene, turns(rounds)),
    "reshards": lambda scene, rounds: reshard(scene, -(-rounds // 4)),
    "faults": lambda scene, rounds: fail(scene, -(-rounds // 4)),
    "checkpoints": lambda scene, rounds: tear(scene, -(-rounds // 4)),
}
COLUMNS = ("scenario", "lives", "events", "sent again", "refused", "missing", "doubled", "foreign", "minutes", "")


def parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    made = argparse.ArgumentParser(prog="python -m tools.chaos", description=__doc__)
    made.add_argument(
        "--rounds", type=int, default=20, metavar="N", help="kills; the other scenarios take a quarter (20)"
    )
    made.add_argument("--events", type=int, default=50_000, metavar="N", help="distinct events a scenario (50000)")
    made.add_argument("--seed", type=int, default=1, metavar="N", help="another one hurts at other moments (1)")
    made.add_argument("--only", nargs="+", choices=SCENARIOS, default=list(SCENARIOS), metavar="SCENARIO")
    return made


def main() -> int:
    """Play the scenarios and print what came of them; return 0, and keep no lake, only where all went right."""
    arguments = parser().parse_args()
    folder = Path(tempfile.mkdtemp(prefix="chaos-"))
    rows: list[tuple[str, ...]] = [COLUMNS]
    verdicts: list[Verdict] = []
    with aws.running() as endpoint:
        for name in arguments.only:
            began = time.monotonic()
            scene = Scene(endpoint, folder / name, arguments.events, arguments.seed, say)
            SCENARIOS[name](scene, arguments.rounds)
            verdicts.append(scene.settle())
            rows.append(row(name, verdicts[-1], time.monotonic() - began))
    for cells in rows:
        print("  ".join(cell.rjust(len(title)) for cell, title in zip(cells, COLUMNS, strict=True)))
    if not all(verdict.is_right for verdict in verdicts):
        print(f"chaos: the lakes and the job's logs are in {folder}", file=sys.stderr)
        return 1
    shutil.rmtree(folder)
    return 0


def row(name: str, verdict: Verdict, seconds: float) -> tuple[str, ...]:
    """Write a line of the summary."""
    numbers = (verdict.lives, verdict.events, verdict.retried, verdict.refused)
    wrong = (verdict.missing, verdict.doubled, verdict.foreign)
    counts = [f"{number:,}" for number in (*numbers, *wrong)]
    return (name, *counts, f"{seconds / 60:.1f}", "right" if verdict.is_right else "WRONG")


def say(what: str) -> None:
    """Report progress."""
    print(f"{time.strftime('%H:%M:%S')} {what}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
