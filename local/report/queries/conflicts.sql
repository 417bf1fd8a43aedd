-- Events that share their event_uuid with an earlier one of another created_at. Each is kept, as another event.
WITH recent AS (
    SELECT
        created_date,
        row_number() OVER (PARTITION BY event_uuid ORDER BY created_ts) AS turn
    FROM events
    WHERE created_date BETWEEN DATE '2024-03-04' AND DATE '2024-03-31'
)
SELECT
    created_date AS day,
    count(*) AS events,
    count_if(turn > 1) AS conflicts
FROM recent
GROUP BY created_date
ORDER BY created_date
