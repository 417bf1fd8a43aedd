-- Events per day by the clock of their producer: the seven most frequent types, and all others together.
WITH recent AS (
    SELECT created_date, event_type
    FROM events
    WHERE created_date BETWEEN DATE '2024-03-04' AND DATE '2024-03-31'
),
ranked AS (
    SELECT
        event_type,
        row_number() OVER (ORDER BY count(*) DESC, event_type) AS place
    FROM recent
    GROUP BY event_type
)
SELECT
    created_date AS day,
    least(place, 8) AS place,
    CASE WHEN place <= 7 THEN event_type ELSE '(all others)' END AS event_type,
    count(*) AS events
FROM recent
JOIN ranked USING (event_type)
GROUP BY 1, 2, 3
ORDER BY 1, 2
