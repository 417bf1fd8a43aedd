-- Sessions per day, and the share of them that are a single event or a single page.
SELECT *
FROM sessions_per_day
WHERE session_date BETWEEN DATE '2024-03-04' AND DATE '2024-03-31'
ORDER BY session_date
