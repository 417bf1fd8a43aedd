-- One row: a day on which sessions began.
-- Reads sessions, written by glue_jobs/sessions_batch.py.
-- Usage:
--   select * from sessions_per_day where session_date >= date '2024-03-17' order by session_date
CREATE OR REPLACE VIEW sessions_per_day AS
SELECT
    session_date,
    count(*) AS sessions,
    count(DISTINCT user_id) AS users,
    sum(event_count) AS events,
    round(avg(duration_seconds), 1) AS average_seconds,
    round(avg(CASE WHEN is_bounce THEN 1e0 ELSE 0e0 END), 3) AS bounce_rate
FROM sessions
GROUP BY session_date
