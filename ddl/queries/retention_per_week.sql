-- Who comes back: of the users whose first session began in a week, how many had another one in each week after it.
-- One row: a week of first sessions (its Monday), and a number of weeks after it, also if nobody came back in that one.
-- Reads sessions. Parameters: the days, from a Monday to a Sunday. Users whose first session was earlier are left out.
WITH weeks AS (
    SELECT
        user_id,
        date_trunc('week', session_date) AS week,
        min(session_number) = 1 AS is_first
    FROM sessions
    WHERE session_date BETWEEN DATE '2024-03-04' AND DATE '2024-03-31'
    GROUP BY user_id, date_trunc('week', session_date)
),
last_week AS (
    SELECT max(week) AS last_week
    FROM weeks
),
cohorts AS (
    SELECT user_id, week AS first_week
    FROM weeks
    WHERE is_first
),
cohort_sizes AS (
    SELECT first_week, count(*) AS users
    FROM cohorts
    GROUP BY first_week
),
came_back AS (
    SELECT first_week, week, count(*) AS users
    FROM cohorts
    JOIN weeks USING (user_id)
    GROUP BY first_week, week
)
SELECT
    sizes.first_week,
    sizes.users,
    date_diff('week', sizes.first_week, later.week) AS weeks_later,
    coalesce(came_back.users, 0) AS came_back,
    round(1e0 * coalesce(came_back.users, 0) / sizes.users, 3) AS retention
FROM cohort_sizes AS sizes
CROSS JOIN last_week
CROSS JOIN unnest(sequence(sizes.first_week, last_week.last_week, INTERVAL '7' DAY)) AS later (week)
LEFT JOIN came_back ON came_back.first_week = sizes.first_week AND came_back.week = later.week
ORDER BY sizes.first_week, weeks_later
