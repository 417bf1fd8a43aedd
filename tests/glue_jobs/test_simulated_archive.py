"""One archive of 30,000 events of 100 types and three days, read by the job and, independently, by DuckDB."""

from datetime import timedelta

import duckdb
import pytest
from trial import Trial

from simulator import Options, produce

pytestmark = pytest.mark.single

MUCH_DISORDER = Options(rows=30_000, days=3, duplicates=0.05, conflicts=0.02, late=0.03, malformed=0.02, users=500)
TYPES, DAYS = MUCH_DISORDER.event_types, MUCH_DISORDER.days

# Written from DESIGN.md alone: what an event is, which one stays, what its columns are.
EVENTS = r"""
    with lines as (
        select line, strptime(regexp_extract(filename, 'arrived=(.{13})', 1), '%Y-%m-%d/%H') as arrived_at
        from read_csv($raw, filename = true, columns = {'line': 'varchar'}, header = false, auto_detect = false,
                      delim = chr(1), quote = '', escape = '', ignore_errors = true)  -- skips what is not UTF-8
    ),
    objects as (
        select *, line ->> '$.event_uuid' as event_uuid, line ->> '$.event_name' as event_name,
            nullif(line ->> '$.user_id', '') as user_id,
            try_cast(line ->> '$.created_at' as double) as about,  -- only for its size
            line ->> '$.created_at' as sent_at
        from lines
        where json_valid(line) and json_type(line) = 'OBJECT' and json_type(line, '$.event_name') = 'VARCHAR'
            and json_type(line, '$.created_at') <> 'BOOLEAN'
    ),
    timed as (
        select *, cast(floor(case
            when abs(about) < 1e11 then cast(sent_at as decimal(24, 6)) * 1000::decimal(4, 0)
            when abs(about) < 1e14 then cast(sent_at as decimal(24, 6))
            when abs(about) < 1e17 then cast(cast(about as bigint) // 1000 as decimal(24, 6))
            end) as bigint) as created_at
        from objects
    ),
    accepted as (
        select *, lower(trim(split_part(event_name, ':', 1))) as event_type,
            nullif(trim(split_part(event_name, ':', 2)), '') as event_subtype
        from timed
        where event_uuid <> '' and created_at >= epoch_ms(timestamp '2000-01-01')
            and created_at <= epoch_ms(arrived_at + interval 1 day)
            and regexp_full_match(lower(trim(split_part(event_name, ':', 1))), '[a-z0-9_]{1,64}')
    )
    select event_uuid, event_name, event_subtype, created_at,
        strftime(make_timestamp(created_at * 1000), '%Y-%m-%dT%H:%M:%S.%gZ') as created_datetime,
        created_at * 1000 as created_us, user_id,
        coalesce(line->>'page_url', line->>'page', line->>'url') as page, line->>'device_type' as device_type,
        coalesce(line->>'country', line->>'countrycode', line->>'$.geo.country') as country,
        line as payload, epoch_us(arrived_at) as arrived_us, event_type,
        cast(make_timestamp(created_at * 1000) as date) as created_date
    from accepted
    qualify row_number() over (partition by event_uuid, created_at order by arrived_at, encode(line)) = 1
"""
TABLE = """
    select event_uuid, event_name, event_subtype, created_at, created_datetime, epoch_us(created_ts) as created_us,
        user_id, page, device_type, country, payload, epoch_us(arrived_at) as arrived_us, event_type, created_date
    from read_parquet($files)
"""


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    out = tmp_path_factory.mktemp("archive")
    return out, produce("events", out / "events", MUCH_DISORDER), produce("visits", out / "visits", MUCH_DISORDER)


@pytest.fixture(scope="module")
def loaded(spark, tmp_path_factory, archive):
    """Run the job once; give its counts and the files that readers see."""
    trial = Trial(spark, tmp_path_factory.mktemp("lake"))
    counts = trial.events_batch(raw_path=str(archive[0] / "events"))
    paths = spark.sql(f"select file_path from {trial.events_table}.files").collect()
    return counts, [row.file_path.removeprefix("file:") for row in paths]


def test_the_counts_are_those_that_were_sent(archive, loaded):
    _, sent, _ = archive
    counts, _ = loaded
    assert counts["read"] == sent.lines
    assert counts["written"] == sent.distinct + sent.conflicts
    assert counts["duplicate"] == sent.duplicates > 0
    assert counts["conflict"] == sent.conflicts > 0
    assert counts["quarantined"] == sent.malformed > 0


def test_the_counts_of_visits_are_those_that_were_sent(trial, archive):
    out, _, sent = archive
    counts = trial.clickstream_batch(raw_path=str(out / "visits"))
    assert counts["read"] == sent.lines
    assert counts["written"] == sent.distinct
    assert counts["duplicate"] == sent.duplicates > 0
    assert counts["quarantined"] == sent.malformed > 0


def test_duckdb_finds_the_same_rows(archive, loaded):
    raw, (counts, files) = f"{archive[0]}/events/arrived=*/*/*.json.gz", loaded
    with duckdb.connect() as duck:
        duck.execute(f"create table expected as {EVENTS}", {"raw": raw})
        duck.execute(f"create table actual as {TABLE}", {"files": files})
        assert duck.execute("select count(*) from expected").fetchall() == [(counts["written"],)]
        assert duck.sql("(from expected except all from actual) limit 3").fetchall() == []
        assert duck.sql("(from actual except all from expected) limit 3").fetchall() == []


def test_a_partition_is_one_file(loaded):
    _, files = loaded
    folders = [file.rpartition("/")[0] for file in files]
    assert len(set(folders)) == len(folders)
    assert TYPES * DAYS * 0.8 < len(folders) <= TYPES * (DAYS + 1)  # rare types miss a day, the last night is a fourth
    assert any(folder.endswith("/event_type=payment/created_date=2024-03-01") for folder in folders)


def test_files_are_zstd_and_sorted_by_time(loaded):
    _, files = loaded
    codecs = duckdb.execute("select distinct compression from parquet_metadata($files)", {"files": files}).fetchall()
    assert codecs == [("ZSTD",)]
    unsorted = """
        select count(*) from (
            select created_ts < lag(created_ts) over (partition by filename order by file_row_number) as is_earlier
            from read_parquet($files, filename = true, file_row_number = true)
        ) where is_earlier
    """
    assert duckdb.execute(unsorted, {"files": files}).fetchall() == [(0,)]


def test_times_are_no_int96(loaded):
    kinds = "select distinct name, type from parquet_schema($files) where name in ('created_ts', 'arrived_at')"
    found = duckdb.execute(kinds, {"files": loaded[1][:3]}).fetchall()
    assert sorted(found) == [("arrived_at", "INT64"), ("created_ts", "INT64")]


def test_plain_tables_have_one_file_per_day_too(trial):
    start = MUCH_DISORDER.start
    days = [start + timedelta(days=day) for day in range(3)]
    trial.send([f'{{"user_id": "u{n}", "event_time": "{day}T{23 - n:02}:00:00Z"}}' for day in days for n in range(20)])
    trial.clickstream_batch()
    files = sorted(str(path) for path in (trial.folder / "clickstream").glob("event_date=*/*.parquet"))
    assert [file.split("/")[-2] for file in files] == [f"event_date={day}" for day in days]
    times = duckdb.execute("select epoch_us(event_time) from read_parquet($files)", {"files": files[:1]}).fetchall()
    assert times == sorted(times)
    found = duckdb.execute("select distinct compression from parquet_metadata($files)", {"files": files}).fetchall()
    assert found == [("ZSTD",)]
