"""``python -m tools.bench``: measure ``events_batch`` beside others that do the same work, and write it down."""

import argparse
import json
import os
import shlex
import shutil
import sys
from collections import deque
from pathlib import Path

from simulator import Options, produce
from tools.bench import meter, outputs, report
from tools.bench.baselines import JOB, LABELS, command

ROOT = Path(__file__).parent.parent
CACHE = ROOT / ".cache" / "bench"
STAGES, TENTH = "stages", "tenth"
PARTS = [*LABELS, STAGES]


def parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    made = argparse.ArgumentParser(
        prog="python -m tools.bench",
        description="Measure events_batch beside others that do the same work, and write it down.",
    )
    made.add_argument("--rows", type=int, default=5_000_000, metavar="N", help="distinct good events (5000000)")
    made.add_argument("--rounds", type=int, default=3, metavar="N", help="runs of each contender (3)")
    made.add_argument("--scale", action="store_true", help="measure the job on a tenth of the rows, too")
    made.add_argument(
        "--only",
        nargs="+",
        choices=PARTS,
        default=PARTS,
        metavar="PART",
        help=f"{', '.join(PARTS)}; no page is written",
    )
    made.add_argument("--out", type=Path, default=ROOT / "bench" / "events_batch.md", metavar="FILE", help="the page")
    return made


def main() -> None:
    """Measure, print the page, and write it if no part was left out."""
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
    say("counting what was written")
    text = report.page(
        report.Measured(
            command=shlex.join([".venv/bin/python", "-m", "bench", *sys.argv[1:]]),
            rounds=arguments.rounds,
            lines=json.loads((raw / "_expected_counts.json").read_text(encoding="utf-8"))["lines"],
            costs={name: costs[name] for name in LABELS if name in costs},
            tenth=costs.get(TENTH, []),
            outputs={name: outputs.inspect(CACHE / "out" / name) for name in costs},
            stages=stages,
        )
    )
    print(text)
    if set(PARTS) <= set(arguments.only):
        out.write_text(text, encoding="utf-8")
    shutil.rmtree(CACHE / "out", ignore_errors=True)


def archive(rows: int) -> Path:
    """Return the input of that size; it is made once."""
    made = CACHE / f"events_{rows}"
    if not (made / "_expected_counts.json").exists():
        say(f"making {rows:,} events")
        shutil.rmtree(made, ignore_errors=True)
        produce("events", made, Options(rows=rows))
    return made


def measure(inputs: dict[str, Path], rounds: int) -> dict[str, list[meter.Cost]]:
    """Let every contender run once in each round, and another one begin it."""
    costs: dict[str, list[meter.Cost]] = {name: [] for name in inputs}
    order = deque(inputs)
    for number in range(rounds):
        for name in order:
            started = command(JOB if name == TENTH else name, inputs[name], fresh(name))
            costs[name].append(run(f"round {number + 1}, {name}", started))
        order.rotate(-1)
    return costs


def measure_stages(raw: Path, rounds: int) -> dict[str, list[float]]:
    """Return the CPU seconds of the job's plan up to each stage."""
    out = fresh(STAGES)
    run(STAGES, [sys.executable, "-m", "tools.bench.stages", str(raw), str(out), str(rounds)])
    measured: dict[str, list[float]] = json.loads((out / "stages.json").read_text(encoding="utf-8"))
    return measured


def run(what: str, started: list[str]) -> meter.Cost:
    """Run it, and say what it took."""
    cost = meter.run(started, CACHE / "log.txt")
    say(f"{what}: {cost.wall:.1f} s, {cost.cpu:.1f} CPU s; others had {cost.others:.1f}")
    return cost


def fresh(name: str) -> Path:
    """Return a folder that does not exist."""
    out = CACHE / "out" / name
    shutil.rmtree(out, ignore_errors=True)
    out.parent.mkdir(parents=True, exist_ok=True)
    return out


def say(what: str) -> None:
    """Report progress."""
    print(f"bench: {what}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
