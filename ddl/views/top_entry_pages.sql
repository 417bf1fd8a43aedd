-- One row: one of the ten pages that most sessions of a day began on, without ? or # and what follows.
-- Reads sessions, written by glue_jobs/sessions_batch.py.
-- Usage:
--   select * from top_entry_pages where session_date = date '2024-03-17' order by place
CREATE OR REPLACE VIEW top_entry_pages AS
WITH per_page AS (
    SELECT
        session_date,
        regexp_extract(entry_page, '^[^?#]*') AS entry_page,
        count(*) AS sessions,
        round(avg(CASE WHEN is_bounce THEN 1e0 ELSE 0e0 END), 3) AS bounce_rate
    FROM sessions
    WHERE entry_page IS NOT NULL
    GROUP BY session_date, regexp_extract(entry_page, '^[^?#]*')
),
ranked AS (
    SELECT
        per_page.*,
        row_number() OVER (PARTITION BY session_date ORDER BY sessions DESC, entry_page) AS place
    FROM per_page
)
SELECT session_date, place, entry_page, sessions, bounce_rate
FROM ranked
WHERE place <= 10
