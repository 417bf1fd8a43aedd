-- The ten pages that most sessions began on, without what follows ? or # in their addresses.
SELECT
    regexp_extract(entry_page, '^[^?#]*') AS entry_page,
    count(*) AS sessions,
    round(avg(CASE WHEN is_bounce THEN 1e0 ELSE 0e0 END), 3) AS bounce_rate
FROM sessions
WHERE session_date BETWEEN DATE '2024-03-04' AND DATE '2024-03-31'
    AND entry_page IS NOT NULL
GROUP BY 1
ORDER BY sessions DESC, 1
LIMIT 10
