-- What happened, how often, and how many users did it: the ten most frequent event types.
-- One row: an event type.
-- Reads events. Parameters: the days.
SELECT
    event_type,
    count(*) AS events,
    count(DISTINCT user_id) AS users,
    count(DISTINCT event_subtype) AS subtypes,
    min(created_date) AS first_day,
    max(created_date) AS last_day
FROM events
WHERE created_date BETWEEN DATE '2024-03-01' AND DATE '2024-03-31'
GROUP BY event_type
ORDER BY events DESC, event_type
LIMIT 10
