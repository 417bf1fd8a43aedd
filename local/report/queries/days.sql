-- Of which days the report asks: the last five weeks of a table, from a Monday to a Sunday; of the quarantine, all.
SELECT
    'events' AS name,
    date_trunc('week', max(created_date)) - INTERVAL '28' DAY AS first_day,
    date_trunc('week', max(created_date)) + INTERVAL '6' DAY AS last_day
FROM events
UNION ALL
SELECT
    'sessions',
    date_trunc('week', max(session_date)) - INTERVAL '28' DAY,
    date_trunc('week', max(session_date)) + INTERVAL '6' DAY
FROM sessions
UNION ALL
SELECT 'quarantine', min(arrived_date), max(arrived_date)
FROM quarantine
