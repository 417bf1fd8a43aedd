-- One row: a product event, once, as it first arrived.
-- Written by glue_jobs/events_batch.py, events_stream.py and replay.py; Parquet under Iceberg.
-- Parameters: ${lake} where the lake lies, e.g. s3://my-lake
-- Usage:
--   select event_type, count(*) as events
--   from events
--   where created_date between date '2024-03-17' and date '2024-03-23'
--   group by event_type
CREATE TABLE events (
    event_uuid string COMMENT 'The event, as its producer named it; with created_at the key of the table',
    event_name string COMMENT 'The name as sent, 1 to n parts, e.g. payment:order:completed',
    event_subtype string COMMENT 'Second part of the name, trimmed; null where there is none',
    created_at bigint COMMENT 'When it happened by the clock of its producer, in Unix milliseconds',
    created_datetime string COMMENT 'created_at as ISO 8601, e.g. 2024-03-17T10:15:30.123Z',
    created_ts timestamp COMMENT 'created_at as a timestamp in UTC',
    user_id string COMMENT 'Who did it; null where the event has none',
    page string COMMENT 'page_url of the payload, else its page, else its url; null where it has none',
    device_type string COMMENT 'device_type of the payload; null where it has none',
    country string COMMENT 'country of the payload, else its countrycode, else the country in its geo; null where it has none',
    payload string COMMENT 'The JSON text of the event exactly as sent',
    arrived_at timestamp COMMENT 'When it reached the stream or the raw archive, to the hour, in UTC',
    event_type string COMMENT 'First part of the name, trimmed, in lower case; a partition',
    created_date date COMMENT 'Day of created_at in UTC; a partition'
)
PARTITIONED BY (event_type, created_date)
LOCATION '${lake}/events/'
TBLPROPERTIES (
    'table_type' = 'ICEBERG',
    'format' = 'parquet',
    'write_compression' = 'zstd'
)
