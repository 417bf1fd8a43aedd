-- How many users saw a page, over any days: users of windows cannot be added up, their sketches can be merged.
-- One row: a page, one of the 20 with most users. Users are to within a standard error of 0.8%.
-- Reads page_counts. Parameters: the days, and one window length (each length counts the same views again).
SELECT
    page,
    sum(views) AS views,
    cardinality(merge(CAST(users_sketch AS hyperloglog))) AS users
FROM page_counts
WHERE window_date BETWEEN DATE '2024-03-01' AND DATE '2024-03-31'
    AND window_seconds = 60
GROUP BY page
ORDER BY users DESC, page
LIMIT 20
