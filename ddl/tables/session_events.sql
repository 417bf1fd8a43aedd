-- One row: an event of a user, in its session.
-- Written by glue_jobs/sessions_batch.py; Parquet under Iceberg.
-- Parameters: ${lake} where the lake lies, e.g. s3://my-lake
-- Usage, the events of long sessions; session_date is the same in both tables:
--   select s.session_id, e.event_time, e.page
--   from session_events e join sessions s using (session_date, session_key)
--   where session_date = date '2024-03-17' and s.duration_seconds > 3600
--   order by s.session_id, e.event_time, e.event_uuid
CREATE TABLE session_events (
    session_key string COMMENT 'The session, for joins: a hash of user_id and of the time and event_uuid of its first event; stays when sessions are numbered anew',
    session_id string COMMENT 'The session, to read: <user_id>-<session_number>',
    session_number bigint COMMENT 'Which session of the user, from 1 on in order of time',
    new_session int COMMENT '1 in the first event of a session, else 0',
    split_cause string COMMENT 'Why the session began without a pause before it: max_length where it goes on from one that was cut, else null',
    user_id string COMMENT 'Who did it',
    event_uuid string COMMENT 'The event, with event_time the key of its table; of clicks and visits a hash of the line',
    event_time timestamp COMMENT 'When it happened, in UTC',
    event_type string COMMENT 'First part of the event name, or the type as sent',
    event_name string COMMENT 'The name as sent; null where the input has none',
    page string COMMENT 'On which page: page_url, page or url of the event; null where it has none',
    device_type string COMMENT 'E.g. desktop, mobile; null where the event has none',
    country string COMMENT 'country, countrycode or geo.country of the event; null where it has none',
    session_date date COMMENT 'Day on which the session began in UTC, so an event after midnight can be in the day before; a partition'
)
PARTITIONED BY (session_date)
LOCATION '${lake}/session_events/'
TBLPROPERTIES (
    'table_type' = 'ICEBERG',
    'format' = 'parquet',
    'write_compression' = 'zstd'
)
