"""Those that are measured: each is started as a process of its own, reads RAW and writes below OUT.

Its table lies in OUT/events, and the lines that it refused, if it keeps them, in OUT/quarantine.
"""

import sys
from pathlib import Path

JOB, FLOOR, TUTORIAL, DUCKDB, STARTUP = "events_batch", "floor", "tutorial", "duckdb", "startup"

LABELS = {
    JOB: "`events_batch`",
    FLOOR: "floor: the same bytes, Spark, no transform",
    TUTORIAL: "as tutorials write it, Spark",
    DUCKDB: "the same work in DuckDB",
    STARTUP: "starting Spark and nothing more",
}


def command(name: str, raw: Path, out: Path) -> list[str]:
    """Say how a contender is started."""
    if name == JOB:  # as the README says: nothing is special here
        job = ["-m", "local", "--lake", str(out), "run", name, "--raw_path", str(raw), "--events_table", "events"]
        return [sys.executable, *job, "--quarantine_table", str(out / "quarantine")]
    module = "duckdb_sql" if name == DUCKDB else name
    return [sys.executable, "-m", f"tools.bench.baselines.{module}", str(raw), str(out)]
