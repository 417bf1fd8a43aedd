-- One row: a visit, i.e. one thing that a visitor did on a page.
-- Written by glue_jobs/clickstream_batch.py; plain Parquet. The partitions are projected: none has to be added.
-- Parameters: ${lake} where the lake lies, e.g. s3://my-lake; ${go_live} the first day to show, e.g. 2024-01-01
-- Usage:
--   select country, count(distinct user_id) as visitors
--   from clickstream
--   where event_date = date '2024-03-17'
--   group by country
-- Repair, where a catalog without projection has lost the partitions:
--   MSCK REPAIR TABLE clickstream
CREATE EXTERNAL TABLE clickstream (
    user_id string COMMENT 'Who visited',
    session_id string COMMENT 'The session, as the tracker numbered it',
    event_time timestamp COMMENT 'When it happened, in UTC',
    event_type string COMMENT 'What was done, e.g. page_view',
    page_url string COMMENT 'On which page',
    referrer_url string COMMENT 'The page that led there; null where there was none',
    device_type string COMMENT 'E.g. desktop, mobile',
    browser string COMMENT 'E.g. Firefox',
    ip string COMMENT 'The address that the visit came from',
    country string COMMENT 'Country of the address',
    city string COMMENT 'City of the address'
)
PARTITIONED BY (event_date date COMMENT 'Day of event_time in UTC')
STORED AS PARQUET
LOCATION '${lake}/clickstream/'
TBLPROPERTIES (
    'parquet.compression' = 'ZSTD',
    'projection.enabled' = 'true',
    'projection.event_date.type' = 'date',
    'projection.event_date.range' = '${go_live},NOW+1DAYS',
    'projection.event_date.format' = 'yyyy-MM-dd'
)
