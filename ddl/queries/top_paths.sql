-- Which ways people take: the 20 most frequent sequences of the first five pages of a session.
-- One row: a sequence, and the sessions that began with it. Pages are without ? or # and what follows, one that is loaded again
-- counts once, and sessions without a page are left out.
-- Reads session_events. Parameters: the days on which sessions began.
WITH pages AS (
    SELECT
        session_date,
        session_key,
        event_time,
        event_uuid,
        regexp_extract(page, '^[^?#]*') AS page
    FROM session_events
    WHERE session_date BETWEEN DATE '2024-03-01' AND DATE '2024-03-31'
        AND page IS NOT NULL
),
moves AS (
    SELECT
        pages.*,
        lag(page) OVER (PARTITION BY session_date, session_key ORDER BY event_time, event_uuid) AS page_before
    FROM pages
),
paths AS (
    SELECT array_join(slice(array_agg(page ORDER BY event_time, event_uuid), 1, 5), ' > ') AS path
    FROM moves
    WHERE page IS DISTINCT FROM page_before
    GROUP BY session_date, session_key
)
SELECT
    path,
    count(*) AS sessions,
    round(1e0 * count(*) / sum(count(*)) OVER (), 3) AS share
FROM paths
GROUP BY path
ORDER BY sessions DESC, path
LIMIT 20
