-- Where visitors came from, day by day: visitors, their visits and the pages they saw, for the five largest countries of each day.
WITH per_country AS (
    SELECT
        event_date,
        country,
        count(*) AS visits,
        count(DISTINCT user_id) AS visitors,
        count(DISTINCT page_url) AS pages
    FROM clickstream
    GROUP BY event_date, country
),
ranked AS (
    SELECT
        per_country.*,
        row_number() OVER (PARTITION BY event_date ORDER BY visitors DESC, country) AS place
    FROM per_country
)
SELECT event_date, place, country, visitors, visits, pages
FROM ranked
WHERE place <= 5
ORDER BY event_date, place
