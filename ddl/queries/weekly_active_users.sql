-- How many users are active in a week and on a day of it. Stickiness is daily by weekly users.
-- One row: a week (its Monday) with sessions. A user is active on the days, in UTC, on which a session begins.
-- Reads sessions. Parameters: the days, from a Monday to a Sunday: daily users are the average of seven days.
WITH active AS (
    SELECT DISTINCT
        date_trunc('week', session_date) AS week,
        session_date,
        user_id
    FROM sessions
    WHERE session_date BETWEEN DATE '2024-03-04' AND DATE '2024-03-31'
)
SELECT
    week,
    count(DISTINCT user_id) AS weekly_users,
    round(count(*) / 7e0, 1) AS daily_users,
    round(count(*) / 7e0 / count(DISTINCT user_id), 3) AS stickiness
FROM active
GROUP BY week
ORDER BY week
