-- One row: an input row that breaks a rule.
-- Written by every job that reads raw input, and by glue_jobs/replay.py; Parquet under Iceberg.
-- Parameters: ${lake} where the lake lies, e.g. s3://my-lake
-- Usage, what still waits to be replayed:
--   select source, reason, count(*) as rows_open
--   from quarantine cross join unnest(reasons) as broken (reason)
--   where arrived_date >= date '2024-03-17' and replayed_at is null
--   group by source, reason
CREATE TABLE quarantine (
    quarantine_id string COMMENT 'The key: a stable hash of source, origin, text and its number among alike lines of one origin',
    reasons array<string> COMMENT 'Every rule that the row breaks; or unprocessable, and the error of the code that it fails',
    raw string COMMENT 'The row as sent; in base64 where it is not UTF-8',
    is_base64 boolean COMMENT 'Whether raw is in base64',
    origin string COMMENT 'The file it came from, or the stream and the millisecond of its arrival',
    arrived_at timestamp COMMENT 'When it reached the stream, or the raw archive (to the hour), in UTC',
    quarantined_at timestamp COMMENT 'When it was quarantined, in UTC',
    replayed_at timestamp COMMENT 'When replay has loaded it after all, in UTC; null until then',
    source string COMMENT 'Whose rules it breaks: events, clickstream, page_views, page_counts, session_events, live_sessions; a partition',
    arrived_date date COMMENT 'Day of arrived_at in UTC; a partition'
)
PARTITIONED BY (source, arrived_date)
LOCATION '${lake}/quarantine/'
TBLPROPERTIES (
    'table_type' = 'ICEBERG',
    'format' = 'parquet',
    'write_compression' = 'zstd'
)
