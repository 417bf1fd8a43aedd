-- One row: a quarantined row that was accepted when it was replayed.
-- Written by glue_jobs/replay.py; plain Parquet. The partitions are projected: none has to be added.
-- Parameters: ${lake} where the lake lies, e.g. s3://my-lake
-- Usage, what is still refused:
--   select source, count(*) as rows_open
--   from quarantine left join quarantine_replayed using (quarantine_id, source)
--   where replayed_at is null
--   group by source
-- Repair, where a catalog without projection has lost the partitions:
--   MSCK REPAIR TABLE quarantine_replayed
CREATE EXTERNAL TABLE quarantine_replayed (
    quarantine_id string COMMENT 'The row of quarantine',
    replayed_at timestamp COMMENT 'When it was accepted, in UTC'
)
PARTITIONED BY (source string COMMENT 'The table it was meant for')
STORED AS PARQUET
LOCATION '${lake}/quarantine_replayed/'
TBLPROPERTIES (
    'parquet.compression' = 'ZSTD',
    'projection.enabled' = 'true',
    'projection.source.type' = 'enum',
    'projection.source.values' = 'events,clickstream,page_views'
)
