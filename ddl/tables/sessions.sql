-- One row: a session, i.e. the events of a user without a pause longer than the gap.
-- Written by glue_jobs/sessions_batch.py; Parquet under Iceberg.
-- Parameters: ${lake} where the lake lies, e.g. s3://my-lake
-- Usage:
--   select session_date, count(*) as sessions, avg(duration_seconds) as seconds
--   from sessions
--   where session_date between date '2024-03-17' and date '2024-03-23'
--   group by session_date
CREATE TABLE sessions (
    session_key string COMMENT 'The key: a hash of user_id and of the time and event_uuid of the first event; stays when sessions are numbered anew',
    session_id string COMMENT '<user_id>-<session_number>',
    session_number bigint COMMENT 'Which session of the user, from 1 on in order of time',
    user_id string COMMENT 'Whose it is',
    started_at timestamp COMMENT 'When its first event happened, in UTC',
    ended_at timestamp COMMENT 'When its last event happened, in UTC',
    duration_seconds double COMMENT 'From started_at to ended_at; 0 of a single event',
    event_count bigint COMMENT 'Its events',
    page_count bigint COMMENT 'Its different pages',
    entry_page string COMMENT 'The first page in it; null where no event has one',
    exit_page string COMMENT 'The last page in it; null where no event has one',
    device_type string COMMENT 'That of its first event that has one',
    country string COMMENT 'That of its first event that has one',
    is_bounce boolean COMMENT 'Whether it is a single event, or has a single page',
    split_cause string COMMENT 'Why it began without a pause before it: max_length where it goes on from one that was cut, else null',
    session_date date COMMENT 'Day of started_at in UTC; a partition'
)
PARTITIONED BY (session_date)
LOCATION '${lake}/sessions/'
TBLPROPERTIES (
    'table_type' = 'ICEBERG',
    'format' = 'parquet',
    'write_compression' = 'zstd'
)
