-- Where visitors came from, day by day: the five countries of most visitors.
-- One row: a day and a country, its visitors, their visits, and the pages that they saw, without ? or # and what follows.
-- Reads clickstream. Parameters: the days.
WITH per_country AS (
    SELECT
        event_date,
        country,
        count(*) AS visits,
        count(DISTINCT user_id) AS visitors,
        count(DISTINCT regexp_extract(page_url, '^[^?#]*')) AS pages
    FROM clickstream
    WHERE event_date BETWEEN DATE '2024-03-01' AND DATE '2024-03-31'
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
