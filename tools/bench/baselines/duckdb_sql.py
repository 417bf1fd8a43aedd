"""The work of ``events_batch`` as one SQL script for DuckDB: the same table and the same quarantined lines.

It does less than the job: files are not sorted by time, conflicts are not counted, nothing is compared with rows that
a table already holds, there is no commit, and the CSV reader (the only one that survives a line that is not UTF-8)
skips lines without a single character, so they are missing from the quarantine.
"""

import sys
from pathlib import Path

import duckdb

THREADS = 2  # as many as the cores that Spark has where the aims were set

LINES = r"""
    create temp view lines as
    select
        raw,
        filename as origin,
        strptime(regexp_extract(filename, 'arrived=(\d{4}-\d\d-\d\d/\d\d)/', 1), '%Y-%m-%d/%H') as arrived_at
    from read_csv(
        getvariable('raw') || '/**/*.gz', columns = {'raw': 'varchar'}, filename = true, header = false,
        auto_detect = false, delim = '\x01', quote = '', escape = '', comment = '', new_line = '\n', nullstr = '\x02',
        ignore_errors = true, store_rejects = true, rejects_limit = 0
    )
"""

PARSED = """
    create temp view parsed as
    with fields as (
        select
            *,
            json_extract_string(
                case when is_object then raw end, [
                    '$.event_uuid', '$.event_name', '$.created_at', '$.user_id', '$.page_url', '$.page', '$.url',
                    '$.device_type', '$.country', '$.countrycode', '$.geo.country'
                ]
            ) as field
        from (select *, json_valid(raw) and starts_with(trim(raw), '{') as is_object from lines)
    ),
    named as (
        select
            raw, origin, arrived_at, is_object,
            field[1] as event_uuid,
            field[2] as event_name,
            field[3] as sent_at,
            nullif(trim(field[4]), '') as user_id,
            coalesce(nullif(trim(field[5]), ''), nullif(trim(field[6]), ''), nullif(trim(field[7]), '')) as page,
            nullif(trim(field[8]), '') as device_type,
            coalesce(nullif(trim(field[9]), ''), nullif(trim(field[10]), ''), nullif(trim(field[11]), '')) as country,
            case when not contains(sent_at, '.') then try_cast(sent_at as bigint) end as whole,
            case when whole is null then try_cast(sent_at as decimal(28, 9)) end as exact
        from fields
    )
    select
        * exclude (whole, exact),
        lower(trim(split_part(event_name, ':', 1))) as event_type,
        nullif(trim(split_part(event_name, ':', 2)), '') as event_subtype,
        case when abs(whole) < 100000000000 then whole * 1000
             when abs(whole) < 100000000000000 then whole
             when whole is not null then whole // 1000
             when abs(exact) < 100000000000 then try_cast(floor(exact * 1000) as bigint)
             when abs(exact) < 100000000000000 then try_cast(floor(exact) as bigint)
             else try_cast(floor(exact / 1000) as bigint) end as created_at
    from named
"""

VALIDATED = """
    create temp table validated as
    select
        *,
        list_filter([
            case when trim(raw) = '' then 'empty' when not is_object then 'not_a_json_object' end,
            case when is_object and coalesce(trim(event_uuid), '') = '' then 'event_uuid_missing' end,
            case when length(event_uuid) > 128 then 'event_uuid_too_long' end,
            case when is_object and coalesce(trim(event_name), '') = '' then 'event_name_missing'
                 when is_object and not regexp_full_match(event_type, '[a-z0-9_]{1,64}') then 'event_type_invalid' end,
            case when is_object and sent_at is null then 'created_at_missing'
                 when is_object and created_at is null then 'created_at_not_a_time'
                 when created_at not between 946684800000 and epoch_ms(arrived_at) + 86400000
                 then 'created_at_out_of_range' end
        ], lambda reason: reason is not null) as reasons
    from parsed
"""

EVENTS = """
    copy (
        select
            event_uuid, event_name, event_subtype, created_at,
            strftime(make_timestamp(created_at * 1000), '%Y-%m-%dT%H:%M:%S.%gZ') as created_datetime,
            make_timestamp(created_at * 1000) as created_ts,
            user_id, page, device_type, country, raw as payload, arrived_at, event_type,
            make_timestamp(created_at * 1000)::date as created_date
        from validated
        where reasons = []
        qualify row_number() over (partition by event_uuid, created_at order by arrived_at, raw) = 1
    ) to (getvariable('out') || '/events') (format parquet, compression zstd, partition_by (event_type, created_date))
"""

QUARANTINED = """
    copy (
        select raw, reasons, origin, arrived_at, arrived_at::date as arrived_date
        from validated
        where reasons <> []
        union all
        select csv_line, ['not_utf8'], file_path, null, null
        from reject_errors join reject_scans using (scan_id, file_id)
    ) to (getvariable('out') || '/quarantine') (format parquet, compression zstd, partition_by (arrived_date))
"""


def main(raw: Path, out: Path) -> None:
    """Write the table and the quarantined lines below ``out``."""
    out.mkdir(parents=True)
    duck = duckdb.connect(
        config={"threads": THREADS, "preserve_insertion_order": False, "temp_directory": str(out / "spilled")}
    )
    duck.execute("set partitioned_write_max_open_files = 2000")  # fewer would make many small files
    duck.execute("set variable raw = ?", [str(raw)])
    duck.execute("set variable out = ?", [str(out)])
    for statement in (LINES, PARSED, VALIDATED, EVENTS, QUARANTINED):
        duck.execute(statement)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
