"""The output of the job and the baselines, counted after the measurements, so that missing work shows."""

from dataclasses import dataclass
from pathlib import Path

import duckdb

from clickstream import schemas


@dataclass(frozen=True)
class Output:
    """The size and content of a table."""

    rows: int
    quarantined: int | None  # None: nothing is kept
    files: int  # of the table
    bytes: int
    fingerprint: int | None  # equal for the same rows in any order; None: the columns differ


def measure_output(out: Path) -> Output | None:
    """Count rows and files; return None if no table was written."""
    files = list(out.glob("events/**/*.parquet"))
    if not files:
        return None
    quarantine = out / "quarantine"
    has_quarantine = any(quarantine.glob("**/*.parquet"))
    return Output(
        rows=_query(f"select count(*) from {_rows(out / 'events')}"),
        quarantined=_query(f"select count(*) from {_rows(quarantine)}") if has_quarantine else None,
        files=len(files),
        bytes=sum(file.stat().st_size for file in files),
        fingerprint=_fingerprint(out / "events"),
    )


def _fingerprint(table: Path) -> int | None:
    names = ", ".join(name for name in schemas.EVENTS.names if name not in ("arrived_at", "created_ts", "created_date"))
    try:
        return _query(f"select bit_xor(hash({names}, epoch_us(arrived_at), epoch_us(created_ts))) from {_rows(table)}")
    except duckdb.BinderException:
        return None


def _rows(table: Path) -> str:
    return f"read_parquet('{table}/**/*.parquet', hive_partitioning = true)"


def _query(query: str) -> int:
    with duckdb.connect(config={"threads": 2}) as duck:
        return int(duck.sql(query).fetchall()[0][0])
