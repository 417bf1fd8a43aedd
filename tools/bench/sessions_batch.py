"""``python -m tools.bench.sessions_batch``: measure ``sessions_batch`` beside its baselines, and write the page."""

import argparse
import json
import logging
import os
import shlex
import shutil
import sys
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median

import duckdb
import polars as pl

from simulator import Options, produce
from tools.bench import meter, report
from tools.bench.__main__ import CACHE, ROOT, fresh, run

JOB, FLOOR, DUCKDB, POLARS, STARTUP, LITTLE = (
    "sessions_batch",
    "sessions_floor",
    "sessions_duckdb",
    "sessions_polars",
    "startup",
    "startup_c1_only",
)
MORE, AGAIN, SKEWED = "more", "again", "skewed"
LABELS = {
    JOB: "`sessions_batch`, all events",
    FLOOR: "floor: the same rows read, sorted by user and time, written; Spark",
    DUCKDB: "the same work in DuckDB",
    POLARS: "the same work in Polars",
    STARTUP: "starting Spark and nothing more",
    LITTLE: "the same, for a run that reads little: without Java's second compiler",
    MORE: "`sessions_batch`, 1% new events",
    AGAIN: "`sessions_batch`, no new events",
    SKEWED: "`sessions_batch`, all events, a fifth of them of one user",
}
PAGE = Path(__file__).with_name("sessions_batch.md")
DAYS = 10
TABLES = ("session_events", "sessions")

logger = logging.getLogger("tools.bench")

HOW = """\
## How it was measured

- The events are made once by `simulator` (seed 1; ten days, 20 types, its default shares of bots, late and duplicate
  lines) and brought into the table `events` by `events_batch`. All read its Parquet files from the page cache.
- Each run is a process of its own, start-up included. The commands take turns, and another one starts each
  round. The figures are medians; in brackets the least and the most. CPU seconds are user and system time of all
  processes.
- The floor writes what sessions are made of as one table without partitions: it makes no sessions.
- DuckDB and Polars make both tables, by session_date; "same rows" are those of `sessions_batch` in all columns but
  session_key, whatever the order. They compare with nothing, count nothing and commit nothing.
- "Before" is this page of 2026-11-27, on the same kind of machine: every run parsed payloads, and the floor and DuckDB
  did, too.
- New events are 1% more, of all users, on the last of the days, brought in by `events_batch` after a run over all.
- The one user has every fifth event of all the days, so that its sessions are cut again and again.
"""


@dataclass(frozen=True)
class BenchLake:
    """A lake with the table ``events``; a state is a copy of the catalog, because data files never change."""

    path: Path

    def save(self, state: str) -> None:
        """Save the present content of the tables under a name."""
        shutil.copy(self.path / "catalog.db", self.path / f"catalog.{state}.db")

    def restore(self, state: str) -> None:
        """Restore the content of the tables."""
        shutil.copy(self.path / f"catalog.{state}.db", self.path / "catalog.db")

    def empty(self) -> None:
        """Restore the events without sessions, and delete the files of sessions and of events that came later."""
        saved = (self.path / "catalog.events.db").stat().st_mtime
        for file in (self.path / "events" / "data").rglob("*.parquet"):  # which DuckDB and Polars read as a folder
            if file.stat().st_mtime > saved:
                file.unlink()
        self.restore("events")
        for table in TABLES:
            shutil.rmtree(self.path / table / "data", ignore_errors=True)

    def command(self, job: str, *arguments: str) -> list[str]:
        """Return the command line of a job on this lake."""
        quarantine = ("--quarantine_table", "quarantine")
        start = [sys.executable, "-m", "local", "--lake", str(self.path), "run", job, "--events_table", "events"]
        return [*start, *quarantine, *arguments]

    def sessions_batch(self) -> list[str]:
        return self.command(JOB, "--sessions_table", "sessions", "--session_events_table", "session_events")


def parser() -> argparse.ArgumentParser:
    """Build the command line."""
    command_line = argparse.ArgumentParser(prog="python -m tools.bench.sessions_batch", description=__doc__)
    command_line.add_argument("--rows", type=int, default=5_000_000, metavar="N", help="distinct good events (5000000)")
    command_line.add_argument("--users", type=int, default=200_000, metavar="N", help="their users (200000)")
    command_line.add_argument("--rounds", type=int, default=3, metavar="N", help="runs of each (3)")
    command_line.add_argument("--out", type=Path, default=PAGE, metavar="FILE", help="the page")
    return command_line


def main() -> None:
    """Measure, print the page and write it."""
    meter.log_progress()
    arguments = parser().parse_args()
    out = arguments.out.absolute()
    os.chdir(ROOT)
    meter.adopt_orphans()
    options = Options(rows=arguments.rows, users=arguments.users, days=DAYS, event_types=20)
    events = with_events(options)
    skewed = with_one_busy_user(events, options)

    costs: dict[str, list[meter.Cost]] = {name: [] for name in LABELS}
    events.empty()
    rounds(costs, [JOB, FLOOR, DUCKDB, POLARS, STARTUP, LITTLE], arguments.rounds, lambda name: full(events, name))
    tables = {name: measure_tables(CACHE / "out" / name) for name in (DUCKDB, POLARS)} | {
        JOB: measure_tables(events.path, "data/")
    }
    add_events(events, options)
    rounds(costs, [MORE, AGAIN], arguments.rounds, lambda name: again(events, name))
    rounds(costs, [SKEWED], arguments.rounds, lambda _: full(skewed, JOB))

    command = shlex.join(["python", "-m", "tools.bench.sessions_batch", *sys.argv[1:]])
    text = page(command, events, costs, tables)
    print(text)
    out.write_text(text, encoding="utf-8")
    shutil.rmtree(CACHE / "out", ignore_errors=True)


def with_events(options: Options) -> BenchLake:
    """Return a lake with that many events; it is filled only once."""
    lake = BenchLake(CACHE / f"sessions_{options.rows}_{options.users}")
    if not (lake.path / "catalog.events.db").exists():
        logger.info("generating %s events", f"{options.rows:,}")
        shutil.rmtree(lake.path, ignore_errors=True)
        produce("events", lake.path / "raw", options)
        run("events_batch", lake.command("events_batch", "--raw_path", str(lake.path / "raw")))
        lake.save("events")
    return lake


def with_one_busy_user(events: BenchLake, options: Options) -> BenchLake:
    """Return a lake with the same events, but every fifth by one user; it is filled only once."""
    lake = BenchLake(CACHE / f"sessions_skewed_{options.rows}_{options.users}")
    if not (lake.path / "catalog.events.db").exists():
        logger.info("giving every fifth event to one user")
        shutil.rmtree(lake.path, ignore_errors=True)
        run("busy user", [sys.executable, "-m", "tools.bench.busy_user", str(events.path), str(lake.path)])
        lake.save("events")
    return lake


def add_events(events: BenchLake, options: Options) -> None:
    """Save a state whose sessions lack 1% of the events, and one whose sessions lack none."""
    raw = events.path / "more"
    start = options.start + timedelta(days=DAYS - 1)
    shutil.rmtree(raw, ignore_errors=True)
    produce("events", raw, Options(rows=options.rows // 100, users=options.users, seed=2, start=start, event_types=20))
    events.empty()
    run("all events", events.sessions_batch())
    run("events_batch", events.command("events_batch", "--raw_path", str(raw)))
    events.save(MORE)
    run("new events", events.sessions_batch())
    events.save(AGAIN)


def full(events: BenchLake, name: str) -> meter.Cost:
    """Run the job or a baseline on empty tables."""
    if name == JOB:
        events.empty()
        return run(name, events.sessions_batch())
    return run(name, [sys.executable, "-m", f"tools.bench.baselines.{name}", str(events.path), str(fresh(name))])


def again(events: BenchLake, state: str) -> meter.Cost:
    """Run the job on tables that hold most or all sessions."""
    events.restore(state)
    return run(state, events.sessions_batch())


def rounds(
    costs: dict[str, list[meter.Cost]], names: list[str], number: int, measure: Callable[[str], meter.Cost]
) -> None:
    """Run each once a round; another one starts each round."""
    order = deque(names)
    for _ in range(number):
        for name in order:
            costs[name].append(measure(name))
        order.rotate(-1)


@dataclass(frozen=True)
class SessionTables:
    """The size and content of both tables."""

    session_events: int
    sessions: int
    files: int
    fingerprint: tuple[int, ...]  # equal for the same rows in any order


def measure_tables(out: Path, data: str = "") -> SessionTables:
    """Count and fingerprint the tables, after all measurements."""
    files = {table: f"read_parquet('{out}/{table}/{data}**/*.parquet', hive_partitioning = true)" for table in TABLES}
    prints = {
        "session_events": "session_id, new_session, split_cause, event_uuid, epoch_us(event_time), event_type,"
        " event_name, page, device_type, country, session_date",
        "sessions": "session_id, epoch_us(started_at), epoch_us(ended_at), round(1000 * duration_seconds)::bigint,"
        " event_count::bigint, page_count::bigint, entry_page, exit_page, device_type, country, is_bounce, split_cause,"
        " session_date",
    }
    with duckdb.connect(config={"threads": 2}) as duck:
        counted = {
            table: duck.sql(f"select count(*), bit_xor(hash({prints[table]})) from {files[table]}").fetchall()[0]
            for table in TABLES
        }
    return SessionTables(
        session_events=counted["session_events"][0],
        sessions=counted["sessions"][0],
        files=sum(len(list(out.glob(f"{table}/**/*.parquet"))) for table in TABLES),
        fingerprint=tuple(counted[table][1] for table in TABLES),
    )


def page(command: str, events: BenchLake, costs: dict[str, list[meter.Cost]], tables: dict[str, SessionTables]) -> str:
    """Return the page."""
    runs = [cost for of_one in costs.values() for cost in of_one]
    others = sum(cost.others for cost in runs) / sum(cost.wall for cost in runs)
    lines = json.loads((events.path / "raw" / "_expected_counts.json").read_text(encoding="utf-8"))["lines"]
    circumstances = (
        f"{lines:,} lines of events, runs of each: {len(costs[JOB])}, {datetime.now(UTC):%Y-%m-%d}, on"
        f" {report.machine()}, Polars {pl.__version__}. Other processes kept {others:.1f} cores busy meanwhile."
        f" To repeat it: `{command}`\n"
    )
    return "\n".join([
        "# What `sessions_batch` costs\n",
        circumstances,
        _costs(costs, tables),
        "## Aims\n",
        _aims({name: median(cost.cpu for cost in of_one) for name, of_one in costs.items()}),
        HOW,
    ])


def _costs(costs: dict[str, list[meter.Cost]], tables: dict[str, SessionTables]) -> str:
    rows = []
    for name, of_one in costs.items():
        made = tables.get(name)
        cells = [""] * 4
        if made:
            is_same = made.fingerprint == tables[JOB].fingerprint
            cells = [f"{made.session_events:,}", f"{made.sessions:,}", "yes" if is_same else "no", f"{made.files:,}"]
        measured = [report.spread(cost.cpu for cost in of_one), report.spread(cost.wall for cost in of_one)]
        memory = f"{median(cost.peak for cost in of_one) / 2**30:.1f}"
        rows.append([LABELS[name], *measured, memory, *cells])
    return report.table(("", "CPU s", "wall s", "GB", "session_events", "sessions", "same rows", "files"), rows)


def _aims(cpu: dict[str, float]) -> str:
    full, more, nothing = cpu[JOB] - cpu[STARTUP], cpu[MORE] - cpu[LITTLE], cpu[AGAIN] - cpu[LITTLE]
    aims = [
        ("all events, to the floor's CPU", 2.01, cpu[JOB] / cpu[FLOOR], 1.5),
        ("all events, to DuckDB's CPU", 2.99, cpu[JOB] / cpu[DUCKDB], 2.0),
        ("1% new events, to all, both above start-up", 0.32, more / full, 0.15),
        ("nothing new: CPU s above start-up", 9.0, nothing, 1.0),
    ]
    rows = [
        [text, str(before), f"{measured:.2f}", f"at most {most}", "yes" if measured <= most else "no"]
        for text, before, measured, most in aims
    ]
    return report.table(("", "before", "now", "aim", "met"), rows)


if __name__ == "__main__":
    main()
