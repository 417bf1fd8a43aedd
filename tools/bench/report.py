"""The measurements of ``events_batch`` as a page of Markdown, and the tables of all pages."""

import os
import platform
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

import duckdb
import pyspark

from tools.bench.baselines import DUCKDB, FLOOR, JOB, LABELS, STARTUP, TUTORIAL
from tools.bench.meter import Cost
from tools.bench.outputs import Output
from tools.bench.stages import EXPLAINED

AIMS = {  # the most CPU that the job may take, in units of the baseline's
    FLOOR: ("at most 3.0 times the floor's CPU", 3.0),
    TUTORIAL: ("at least 3 times ahead of the way tutorials write it, in CPU", 1 / 3),
    DUCKDB: ("at most 1.5 times DuckDB's CPU", 1.5),
}
TEN_TIMES = 10.5  # the most CPU for 10 times the rows

HOW = """\
## How it was measured

- The input is made once by `simulator` (seed 1, its default shares of duplicates, conflicts, late and malformed lines;
  events of one day, some of which arrive days later; gzip) and read by all. It was in the page cache.
- Each run is a process of its own with an empty output, start-up included. The commands take turns, and another one
  starts each round. The figures are medians; in brackets the least and the most.
- CPU seconds are user and system time of all processes of a run (Python, the JVM, Python workers), as the kernel
  accounts for them when they end. They include the JVM's compiler and garbage collector. Wall time ends when the last
  process has ended.
- GB is the memory of the largest process, at its peak. Spark's is mostly the heap that it was allowed (4 GB).
- All Spark jobs have the session of `python -m local`. DuckDB has 2 threads, and memory as it needs.
- The rows of the tables were counted afterwards. "Same rows" means that all columns but the partition's date agree with
  those of `events_batch`, whatever the order.
- The floor writes the lines as one column of text, zstd: no parsing, no shuffle, no partitions.
- As tutorials write it: `spark.read.json` with an inferred schema, Python UDFs, `dropDuplicates`, `partitionBy`. Bad
  lines are dropped, not kept; of a bad name or time as much goes into the table as its checks let through.
- DuckDB quarantines the same lines for the same reasons and keeps the same row of each duplicate. It does not sort
  files by time, count conflicts, compare with rows that are in the table already, or commit; and its CSV reader skips
  lines without a character, which are missing from its quarantine.
- The stages were measured in one warm session, on a tenth of the rows: the job's plan up to each stage, into Spark's
  sink `noop` (from "materialize" on after materializing; the last two into the tables). A stage is what
  its plan took beyond the one before it, so it can come out low where Spark overlaps or prunes work. Start-up and the
  warming of the JVM are not in it: the job's own run took more.
"""


@dataclass(frozen=True)
class Measured:
    """The content of the page."""

    command: str
    rounds: int
    lines: int  # of the input
    costs: dict[str, list[Cost]]  # by name
    tenth: list[Cost]  # of the job on a tenth of the rows, if that was asked for
    outputs: dict[str, Output | None]
    stages: dict[str, list[float]]


def page(measured: Measured) -> str:
    """Return the page."""
    runs = [cost for costs in (*measured.costs.values(), measured.tenth) for cost in costs]
    others = sum(run.others for run in runs) / max(sum(run.wall for run in runs), 1)
    circumstances = (
        f"{measured.lines:,} lines, runs of each: {measured.rounds}, {datetime.now(UTC):%Y-%m-%d}, on {machine()}."
        f" Other processes kept {others:.1f} cores busy meanwhile. To repeat it: `{measured.command}`\n"
    )
    parts = ["# What `events_batch` costs\n", circumstances, _costs(measured)]
    if JOB in measured.costs:
        parts += ["## Aims\n", _aims(measured)]
    if measured.stages:
        parts += ["## Where the CPU time goes\n", _stages(measured)]
    return "\n".join([*parts, HOW])


def machine() -> str:
    """Describe this machine, without its name."""
    about = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    model = next(
        (line.split(":")[1].strip() for line in about.splitlines() if line.startswith("model name")), "unknown"
    )
    memory = int(Path("/proc/meminfo").read_text(encoding="utf-8").split()[1]) / 2**20
    java = subprocess.run(["java", "-version"], capture_output=True, text=True, check=True)  # noqa: S607  # as Spark
    versions = {
        "Spark": pyspark.__version__,
        "Java": java.stderr.split('"')[1],
        "Python": platform.python_version(),
        "DuckDB": duckdb.__version__,
    }
    with_versions = ", ".join(f"{name} {version}" for name, version in versions.items())
    return f"{len(os.sched_getaffinity(0))} cores ({model}), {memory:.0f} GB, {platform.system()}; {with_versions}"


def _costs(measured: Measured) -> str:
    rows = [
        [
            LABELS[name],
            "" if name == STARTUP else f"{measured.lines / median(cost.wall for cost in costs):,.0f}",
            spread(cost.cpu for cost in costs),
            spread(cost.wall for cost in costs),
            f"{median(cost.peak for cost in costs) / 2**30:.1f}",
            *_output_cells(measured.outputs[name], measured.outputs.get(JOB)),
        ]
        for name, costs in measured.costs.items()
    ]
    return table(("", "events/s", "CPU s", "wall s", "GB", "rows", "same rows", "quarantined", "files", "MB"), rows)


def _output_cells(output: Output | None, job: Output | None) -> list[str]:
    if output is None:
        return [""] * 5
    is_same = job is not None and output.fingerprint is not None and output.fingerprint == job.fingerprint
    return [
        f"{output.rows:,}",
        "" if job is None else "yes" if is_same else "no",
        "" if output.quarantined is None else f"{output.quarantined:,}",
        f"{output.files:,}",
        f"{output.bytes / 1e6:,.0f}",
    ]


def _aims(measured: Measured) -> str:
    cpu = {name: median(cost.cpu for cost in costs) for name, costs in measured.costs.items()}
    rows = []
    for name, (text, most) in AIMS.items():
        if name in cpu:
            ratio = cpu[JOB] / cpu[name]
            shown = f"{ratio:.2f} times" if ratio >= 1 else f"{1 / ratio:.2f} times ahead"
            rows.append([text, shown, "yes" if ratio <= most else "no"])
    if measured.tenth:
        tenth = median(cost.cpu for cost in measured.tenth)
        ratio = cpu[JOB] / tenth
        shown = f"{ratio:.2f} times ({cpu[JOB]:.1f} s to {tenth:.1f} s)"
        if STARTUP in cpu:
            shown += f"; {(cpu[JOB] - cpu[STARTUP]) / (tenth - cpu[STARTUP]):.2f} with start-up taken off both"
        rows.append([
            f"10 times the rows: at most {TEN_TIMES} times the CPU",
            shown,
            "yes" if ratio <= TEN_TIMES else "no",
        ])
    return table(("aim", "measured", "met"), rows)


def _stages(measured: Measured) -> str:
    up_to = {stage: median(seconds) for stage, seconds in measured.stages.items()}
    alone = {}
    before = 0.0
    for stage, seconds in up_to.items():
        alone[stage] = seconds - before
        before = seconds
    total = sum(alone.values())
    rows = [
        [stage, EXPLAINED[stage], f"{alone[stage]:.1f}", f"{alone[stage] / total:.0%}", spread(measured.stages[stage])]
        for stage in alone
    ]
    rows.append(["all", "", f"{total:.1f}", "100%", ""])
    return table(("stage", "", "CPU s", "share", "CPU s of the plan up to it"), rows)


def spread(values: Iterable[float], form: str = ".1f") -> str:
    """Return the median, the least and the most."""
    ordered = sorted(values)
    return f"{median(ordered):{form}} ({ordered[0]:{form}}-{ordered[-1]:{form}})"


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table of Markdown."""
    lines = [header, ["---"] * len(header), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
