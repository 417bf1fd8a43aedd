-- One row: how often a page was viewed in a window, and by how many users.
-- Written by glue_jobs/page_views_stream.py, and anew by page_counts_batch.py; Parquet under Iceberg.
-- Parameters: ${lake} where the lake lies, e.g. s3://my-lake
-- Usage:
--   select count(distinct page) as pages, sum(views) as views
--   from page_counts
--   where window_date = date '2024-03-17' and window_seconds = 60
-- Usage: users over any span of windows and pages; sketches of one's own, by approx_set, have fewer registers and cannot
-- be merged with these
--   select window_date, cardinality(merge(cast(users_sketch as hyperloglog))) as users
--   from page_counts
--   where window_date between date '2024-03-11' and date '2024-03-17'
--   group by 1
CREATE TABLE page_counts (
    window_start timestamp COMMENT 'Start of the window in UTC; windows of one length follow each other without gaps',
    window_seconds int COMMENT 'Length of the window',
    page string COMMENT 'URL of the page, or its title in a transition; with the window the key of the table',
    views bigint COMMENT 'Views of the page in the window',
    users bigint COMMENT 'Distinct users among them: cardinality of users_sketch, to within a standard error of 0.8%',
    users_sketch binary COMMENT 'The users as a HyperLogLog of Trino with 2^14 registers: merge(cast(users_sketch as hyperloglog))',
    batch string COMMENT 'The batch of the stream that wrote the row; if it is processed again, it replaces what it added',
    views_before bigint COMMENT 'Views without those of that batch',
    window_date date COMMENT 'Day of window_start in UTC; a partition'
)
PARTITIONED BY (window_date)
LOCATION '${lake}/page_counts/'
TBLPROPERTIES (
    'table_type' = 'ICEBERG',
    'format' = 'parquet',
    'write_compression' = 'zstd'
)
