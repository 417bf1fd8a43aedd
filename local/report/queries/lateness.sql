-- How late events arrived. arrived_at is kept to the hour, so hours are counted from the hour in which they happened.
WITH arrived AS (
    SELECT date_diff('hour', date_trunc('hour', created_ts), arrived_at) AS hours
    FROM events
    WHERE created_date BETWEEN DATE '2024-03-04' AND DATE '2024-03-31'
)
SELECT
    CASE WHEN hours < 0 THEN 1 WHEN hours = 0 THEN 2 WHEN hours = 1 THEN 3 WHEN hours < 24 THEN 4 ELSE 5 END AS place,
    CASE
        WHEN hours < 0 THEN 'before it happened'
        WHEN hours = 0 THEN 'in the same hour'
        WHEN hours = 1 THEN 'in the next hour'
        WHEN hours < 24 THEN 'within 24 hours'
        ELSE 'later'
    END AS arrived,
    count(*) AS events,
    round(1e0 * count(*) / sum(count(*)) OVER (), 5) AS ratio,
    max(hours) AS most_hours
FROM arrived
GROUP BY 1, 2
ORDER BY 1
