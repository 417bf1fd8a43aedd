"""The job and the baselines: each runs as its own process, reads RAW and writes below OUT.

It writes its table to OUT/events and the quarantined lines, if it keeps them, to OUT/quarantine.
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
    """Return the command line of the job or a baseline."""
    if name == JOB:  # as in the README
        job = ["-m", "local", "--lake", str(out), "run", name, "--raw_path", str(raw), "--events_table", "events"]
        return [sys.executable, *job, "--quarantine_table", "quarantine"]
    module = "duckdb_sql" if name == DUCKDB else name
    return [sys.executable, "-m", f"tools.bench.baselines.{module}", str(raw), str(out)]
