-- What happened, how often, and how many users did it: the ten most frequent event types of the last month with data.
-- Narrow created_date to read less.
SELECT
    event_type,
    count(*) AS events,
    count(DISTINCT user_id) AS users,
    count(DISTINCT event_subtype) AS subtypes,
    min(created_date) AS first_day,
    max(created_date) AS last_day
FROM events
WHERE created_date >= (SELECT max(created_date) FROM events) - INTERVAL '30' DAY
GROUP BY event_type
ORDER BY events DESC, event_type
LIMIT 10
