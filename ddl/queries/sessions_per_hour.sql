-- Sessions per hour in a time zone. When its clocks go back, an hour is there twice, and forward, one is missing.
-- One row: an hour in which sessions began, with its distance from UTC.
-- Reads sessions. Parameters: the days at that place, twice, and its time zone.
WITH local_sessions AS (
    SELECT
        user_id,
        with_timezone(started_at, 'UTC') AT TIME ZONE 'Europe/Berlin' AS started
    FROM sessions
    -- Days of the table are in UTC: one more at both ends has all sessions of the days there.
    WHERE session_date BETWEEN DATE '2024-03-25' - INTERVAL '1' DAY AND DATE '2024-03-31' + INTERVAL '1' DAY
)
SELECT
    format_datetime(date_trunc('hour', started), 'yyyy-MM-dd HH:mm ZZ') AS hour,
    count(*) AS sessions,
    count(DISTINCT user_id) AS users
FROM local_sessions
WHERE CAST(started AS date) BETWEEN DATE '2024-03-25' AND DATE '2024-03-31'
GROUP BY date_trunc('hour', started)
ORDER BY date_trunc('hour', started)
