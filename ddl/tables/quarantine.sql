-- One row: an input row that was refused.
-- Written by every job that reads raw input; plain Parquet. The partitions are projected: none has to be added.
-- Parameters: ${lake} where the lake lies, e.g. s3://my-lake
-- Usage:
--   select reason, count(*) as refused
--   from quarantine cross join unnest(reasons) as broken (reason)
--   where source = 'events' and arrived_date = date '2024-03-17'
--   group by reason
-- Repair, where a catalog without projection has lost the partitions:
--   MSCK REPAIR TABLE quarantine
CREATE EXTERNAL TABLE quarantine (
    quarantine_id string COMMENT 'Stable hash of source, origin, text and its number among alike lines of one origin',
    reasons array<string> COMMENT 'Every rule that the row breaks',
    raw string COMMENT 'The row as sent; in base64 where it is not UTF-8',
    is_base64 boolean COMMENT 'Whether raw is in base64',
    origin string COMMENT 'The file it came from, or the stream and the millisecond of its arrival',
    arrived_at timestamp COMMENT 'When it reached the stream or the raw archive, to the hour, in UTC',
    quarantined_at timestamp COMMENT 'When it was refused, in UTC'
)
PARTITIONED BY (
    source string COMMENT 'The table it was meant for',
    arrived_date date COMMENT 'Day of arrived_at in UTC'
)
STORED AS PARQUET
LOCATION '${lake}/quarantine/'
TBLPROPERTIES (
    'parquet.compression' = 'ZSTD',
    'projection.enabled' = 'true',
    'projection.source.type' = 'enum',
    'projection.source.values' = 'events,clickstream,page_views,session_events',
    'projection.arrived_date.type' = 'date',
    'projection.arrived_date.range' = '2000-01-01,NOW+1DAYS',
    'projection.arrived_date.format' = 'yyyy-MM-dd'
)
