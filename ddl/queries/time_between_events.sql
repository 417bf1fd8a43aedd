-- How long users take from one event to another: here from their first signup to the first order after it.
-- One row: all users with a signup, how many of them ordered, and the time that half and nine in ten of those took.
-- Reads events. Parameters: the days, and both event types, each twice.
WITH both_events AS (
    SELECT
        user_id,
        event_type,
        created_at,
        min(CASE WHEN event_type = 'signup' THEN created_at END) OVER (PARTITION BY user_id) AS began_at
    FROM events
    WHERE created_date BETWEEN DATE '2024-03-01' AND DATE '2024-03-31'
        AND event_type IN ('signup', 'order')
        AND user_id IS NOT NULL
),
per_user AS (
    SELECT
        user_id,
        (min(CASE WHEN event_type = 'order' AND created_at >= began_at THEN created_at END) - began_at) / 1e3 AS seconds
    FROM both_events
    WHERE began_at IS NOT NULL
    GROUP BY user_id, began_at
)
SELECT
    count(*) AS began,
    count(seconds) AS ended,
    approx_percentile(seconds, 0.5) AS median_seconds,
    approx_percentile(seconds, 0.9) AS p90_seconds
FROM per_user
