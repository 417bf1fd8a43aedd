"""The work of ``sessions_batch`` on empty tables in Polars; keys are numbers, nothing is counted or committed."""

import sys
from pathlib import Path

import polars as pl

GAP_US, LONGEST_US, LOOKBACK = 1_800_000_000, 86_400_000_000, pl.duration(days=7)


def main(lake_path: Path, out: Path) -> None:
    """Write both tables of a lake's events below ``out``."""
    out.mkdir(parents=True)
    events = pl.scan_parquet(lake_path / "events" / "data" / "**" / "*.parquet", hive_partitioning=False)
    numbered = number(activity(events)).collect()
    write(numbered, out / "session_events")
    write(summarized(numbered), out / "sessions")


def activity(events: pl.LazyFrame) -> pl.LazyFrame:
    """Select what sessions are made of."""
    return events.filter(
        pl.col("user_id").is_not_null() & (pl.col("arrived_at") <= pl.col("created_ts") + LOOKBACK)
    ).select(
        "user_id",
        "event_uuid",
        pl.col("created_ts").alias("event_time"),
        "event_type",
        "event_name",
        "page",
        "device_type",
        "country",
    )


def number(rows: pl.LazyFrame) -> pl.LazyFrame:
    """Find each user's sessions and number them."""
    now = pl.col("event_time").dt.epoch("us")
    starts_block = pl.col("previous").is_null() | (now - pl.col("previous") > GAP_US)
    previous_chunk = (pl.col("previous") - pl.col("block")) // LONGEST_US
    first = ("event_time", "event_uuid")
    return (
        rows
        .sort("user_id", "event_time", "event_uuid")
        .with_columns(now.shift(1).over("user_id").alias("previous"))
        .with_columns(pl.when(starts_block).then(now).forward_fill().over("user_id").alias("block"))
        .with_columns(((now - pl.col("block")) // LONGEST_US).alias("chunk"))
        .with_columns((starts_block | (pl.col("chunk") != previous_chunk)).cast(pl.Int32).alias("new_session"))
        .with_columns(pl.col("new_session").cum_sum().over("user_id").cast(pl.Int64).alias("session_number"))
        .with_columns(
            *[
                pl.when(pl.col("new_session") == 1).then(name).forward_fill().over("user_id").alias(f"first_{name}")
                for name in first
            ],
            pl.when(pl.col("chunk") > 0).then(pl.lit("max_length")).alias("split_cause"),
            pl.format("{}-{}", "user_id", "session_number").alias("session_id"),
        )
        .with_columns(
            pl.struct("user_id", "first_event_time", "first_event_uuid").hash().alias("session_key"),
            pl.col("first_event_time").dt.date().alias("session_date"),
        )
        .drop("previous", "block", "chunk", "first_event_time", "first_event_uuid")
    )


def summarized(numbered: pl.DataFrame) -> pl.DataFrame:
    """Aggregate ordered rows into one row per session."""
    page = pl.col("page").drop_nulls()
    first_values = ("session_key", "session_id", "split_cause", "session_date")
    return (
        numbered
        .group_by("user_id", "session_number", maintain_order=True)
        .agg(
            *[pl.col(name).first() for name in first_values],
            pl.col("event_time").min().alias("started_at"),
            pl.col("event_time").max().alias("ended_at"),
            pl.len().alias("event_count"),
            page.n_unique().alias("page_count"),
            page.first().alias("entry_page"),
            page.last().alias("exit_page"),
            pl.col("device_type").drop_nulls().first(),
            pl.col("country").drop_nulls().first(),
        )
        .with_columns(
            ((pl.col("ended_at") - pl.col("started_at")).dt.total_microseconds() / 1e6).alias("duration_seconds"),
            ((pl.col("event_count") == 1) | (pl.col("page_count") == 1)).alias("is_bounce"),
        )
    )


def write(rows: pl.DataFrame, folder: Path) -> None:
    """Write one folder per day."""
    for (day,), of_day in rows.partition_by("session_date", as_dict=True).items():
        path = folder / f"session_date={day}" / "rows.parquet"
        path.parent.mkdir(parents=True)
        of_day.drop("session_date").write_parquet(path, compression="zstd")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
