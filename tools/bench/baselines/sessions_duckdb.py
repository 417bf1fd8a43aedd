"""The work of ``sessions_batch`` on empty tables as one SQL script for DuckDB; nothing is counted or committed."""

import sys
from pathlib import Path

import duckdb

THREADS = 2  # as many as the cores that Spark has where the aims were set

NUMBERED = """
    create temp table numbered as
    with activity as (
        select
            user_id, event_uuid, created_ts as event_time, event_type, event_name,
            page, device_type, country
        from read_parquet(getvariable('files'), hive_partitioning = false)
        where user_id is not null and arrived_at <= created_ts + interval 7 days
    ),
    paused as (
        select *, lag(event_time) over by_user as previous from activity
        window by_user as (partition by user_id order by event_time, event_uuid)
    ),
    in_blocks as (
        select *, last_value(
            case when previous is null or event_time - previous > interval 1800 seconds then event_time end ignore nulls
        ) over (partition by user_id order by event_time, event_uuid rows unbounded preceding) as block
        from paused
    ),
    in_chunks as (
        select *,
            (epoch_us(event_time) - epoch_us(block)) // 86400000000 as chunk,
            (previous is null or event_time - previous > interval 1800 seconds
                or chunk <> (epoch_us(previous) - epoch_us(block)) // 86400000000)::int as new_session
        from in_blocks
    ),
    counted as (
        select *, sum(new_session) over by_user as session_number,
            last_value(case when new_session = 1 then event_uuid end ignore nulls) over by_user as first_uuid,
            last_value(case when new_session = 1 then event_time end ignore nulls) over by_user as first_time
        from in_chunks
        window by_user as (partition by user_id order by event_time, event_uuid rows unbounded preceding)
    )
    select
        left(sha256(concat_ws(chr(10), user_id, epoch_us(first_time)::varchar, first_uuid)), 32) as session_key,
        user_id || '-' || session_number as session_id,
        session_number::bigint as session_number,
        new_session,
        case when chunk > 0 then 'max_length' end as split_cause,
        user_id, event_uuid, event_time, event_type, event_name, page, device_type, country,
        first_time::date as session_date
    from counted
"""

SESSION_EVENTS = """
    copy (from numbered order by session_date, user_id, event_time, event_uuid)
    to (getvariable('out') || '/session_events') (format parquet, compression zstd, partition_by (session_date))
"""

SUMMED_UP = """
    select
        any_value(session_key) as session_key, any_value(session_id) as session_id, session_number, user_id,
        min(event_time) as started_at, max(event_time) as ended_at,
        (epoch_us(max(event_time)) - epoch_us(min(event_time))) / 1e6 as duration_seconds,
        count(*) as event_count, count(distinct page) as page_count,
        arg_min(page, (event_time, event_uuid)) filter (page is not null) as entry_page,
        arg_max(page, (event_time, event_uuid)) filter (page is not null) as exit_page,
        arg_min(device_type, (event_time, event_uuid)) filter (device_type is not null) as device_type,
        arg_min(country, (event_time, event_uuid)) filter (country is not null) as country,
        count(*) = 1 or count(distinct page) = 1 as is_bounce,
        any_value(split_cause) as split_cause, any_value(session_date) as session_date
    from numbered
    group by user_id, session_number
"""

SESSIONS = f"""
    copy ({SUMMED_UP})
    to (getvariable('out') || '/sessions') (format parquet, compression zstd, partition_by (session_date))
"""


def main(lake_path: Path, out: Path) -> None:
    """Write both tables of a lake's events below ``out``."""
    out.mkdir(parents=True)
    duck = duckdb.connect(
        config={"threads": THREADS, "preserve_insertion_order": False, "temp_directory": str(out / "spilled")}
    )
    duck.execute("set variable files = ?", [[str(file) for file in lake_path.glob("events/data/**/*.parquet")]])
    duck.execute("set variable out = ?", [str(out)])
    for statement in (NUMBERED, SESSION_EVENTS, SESSIONS):
        duck.execute(statement)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
