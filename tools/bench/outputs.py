"""What a contender left behind, so that one that does less work is seen; counted after all measuring."""

from dataclasses import dataclass
from pathlib import Path

import duckdb


@dataclass(frozen=True)
class Output:
    """A contender's files."""

    rows: int
    refused: int | None  # None: it keeps none
    files: int  # of the table
    bytes: int
    fingerprint: int | None  # alike for the same rows in any order; None: its columns are others


def inspect(out: Path) -> Output | None:
    """Count rows and files; None where no table was written."""
    files = list(out.glob("events/**/*.parquet"))
    if not files:
        return None
    return Output(
        rows=_ask(f"select count(*) from {_rows(out / 'events')}"),
        refused=_ask(f"select count(*) from {_rows(out / 'quarantine')}") if (out / "quarantine").exists() else None,
        files=len(files),
        bytes=sum(file.stat().st_size for file in files),
        fingerprint=_fingerprint(out / "events"),
    )


def _fingerprint(table: Path) -> int | None:
    known = "event_uuid, created_at, created_datetime, event_name, event_type, event_subtype, user_id, payload"
    try:
        return _ask(f"select bit_xor(hash({known}, epoch_us(arrived_at), epoch_us(created_ts))) from {_rows(table)}")
    except duckdb.BinderException:
        return None


def _rows(table: Path) -> str:
    return f"read_parquet('{table}/**/*.parquet', hive_partitioning = true)"


def _ask(query: str) -> int:
    with duckdb.connect(config={"threads": 2}) as duck:
        return int(duck.sql(query).fetchall()[0][0])
