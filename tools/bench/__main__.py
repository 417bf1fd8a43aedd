"""``python -m tools.bench``: measure ``events_batch`` beside its baselines, and write the page."""

import argparse
import json
import logging
import os
import shlex
import shutil
import sys
from collections import deque
from pathlib import Path

from simulator import Options, produce
from tools.bench import meter, outputs, report
from tools.bench.baselines import JOB, LABELS, command

ROOT = Path(__file__).parents[2]
PAGE = Path(__file__).with_name("events_batch.md")
CACHE = ROOT / ".cache" / "bench"
STAGES, TENTH = "stages", "tenth"
PARTS = [*LABELS, STAGES]

logger = logging.getLogger("tools.bench")


def parser() -> argparse.ArgumentParser:
    """Build the command line."""
    command_line = argparse.ArgumentParser(
        prog="python -m tools.bench",
        description="Measure events_batch beside its baselines, and write the page.",
    )
    command_line.add_argument("--rows", type=int, default=5_000_000, metavar="N", help="distinct good events (5000000)")
    command_line.add_argument("--rounds", type=int, default=3, metavar="N", help="runs of each (3)")
    command_line.add_argument("--scale", action="store_true", help="also measure the job on a tenth of the rows")
    command_line.add_argument(
        "--only",
        nargs="+",
        choices=PARTS,
        default=PARTS,
        metavar="PART",
        help=f"{', '.join(PARTS)}; no page is written",
    )
    command_line.add_argument("--out", type=Path, default=PAGE, metavar="FILE", help="the page")
    return command_line


def main() -> None:
    """Measure, print the page, and write it if no part was left out."""
    meter.log_progress()
    arguments = parser().parse_args()
    out = arguments.out.absolute()
    os.chdir(ROOT)
    meter.adopt_orphans()
    raw = archive(arguments.rows)
    inputs = {name: raw for name in LABELS if name in arguments.only}
    if arguments.scale:
        inputs[TENTH] = archive(arguments.rows // 10)

    costs = measure(inputs, arguments.rounds)
    stages = measure_stages(archive(arguments.rows // 10), arguments.rounds) if STAGES in arguments.only else {}
    logger.info("counting what was written")
    text = report.page(
        report.Measured(
            command=shlex.join([".venv/bin/python", "-m", "tools.bench", *sys.argv[1:]]),
            rounds=arguments.rounds,
            lines=json.loads((raw / "_expected_counts.json").read_text(encoding="utf-8"))["lines"],
            costs={name: costs[name] for name in LABELS if name in costs},
            tenth=costs.get(TENTH, []),
            outputs={name: outputs.measure_output(CACHE / "out" / name) for name in costs},
            stages=stages,
        )
    )
    print(text)
    if set(PARTS) <= set(arguments.only):
        out.write_text(text, encoding="utf-8")
    shutil.rmtree(CACHE / "out", ignore_errors=True)


def archive(rows: int) -> Path:
    """Return the input of that size; it is generated only once."""
    made = CACHE / f"events_{rows}"
    if not (made / "_expected_counts.json").exists():
        logger.info("generating %s events", f"{rows:,}")
        shutil.rmtree(made, ignore_errors=True)
        produce("events", made, Options(rows=rows))
    return made


def measure(inputs: dict[str, Path], rounds: int) -> dict[str, list[meter.Cost]]:
    """Run each command once a round; another one starts each round."""
    costs: dict[str, list[meter.Cost]] = {name: [] for name in inputs}
    order = deque(inputs)
    for number in range(rounds):
        for name in order:
            command_line = command(JOB if name == TENTH else name, inputs[name], fresh(name))
            costs[name].append(run(f"round {number + 1}, {name}", command_line))
        order.rotate(-1)
    return costs


def measure_stages(raw: Path, rounds: int) -> dict[str, list[float]]:
    """Return the CPU seconds of the job's plan up to each stage."""
    out = fresh(STAGES)
    run(STAGES, [sys.executable, "-m", "tools.bench.stages", str(raw), str(out), str(rounds)])
    measured: dict[str, list[float]] = json.loads((out / "stages.json").read_text(encoding="utf-8"))
    return measured


def run(what: str, command_line: list[str]) -> meter.Cost:
    """Run a command, and log its cost."""
    cost = meter.run(command_line, CACHE / "log.txt")
    logger.info("%s: %.1f s, %.1f CPU s; other processes took %.1f", what, cost.wall, cost.cpu, cost.others)
    return cost


def fresh(name: str) -> Path:
    """Return a folder that does not exist."""
    out = CACHE / "out" / name
    shutil.rmtree(out, ignore_errors=True)
    out.parent.mkdir(parents=True, exist_ok=True)
    return out


if __name__ == "__main__":
    main()
