-- How far users come, over all their sessions: through these events in this order, within 7 days of the first.
-- One row: a step, the users who came as far, and their share of those of the first step and of the step before.
-- Reads events. Parameters: the events, the days, and the time that a user has. The view funnel asks it of sessions.
WITH funnel (step, event_type) AS (
    VALUES (1, 'product'), (2, 'cart'), (3, 'checkout'), (4, 'payment')
),
seen AS (
    SELECT user_id, created_ts, step
    FROM events
    JOIN funnel USING (event_type)
    WHERE created_date BETWEEN DATE '2024-03-01' AND DATE '2024-03-31'
        AND user_id IS NOT NULL
),
attempts AS (
    SELECT user_id, reached
    FROM seen
    MATCH_RECOGNIZE (
        PARTITION BY user_id
        ORDER BY created_ts, step
        MEASURES last(step) AS reached
        AFTER MATCH SKIP TO NEXT ROW
        PATTERN (first_step (other*? second_step (other*? third_step (other*? fourth_step)?)?)?)
        DEFINE
            first_step AS step = 1,
            second_step AS step = 2 AND created_ts <= first_step.created_ts + INTERVAL '7' DAY,
            third_step AS step = 3 AND created_ts <= first_step.created_ts + INTERVAL '7' DAY,
            fourth_step AS step = 4 AND created_ts <= first_step.created_ts + INTERVAL '7' DAY,
            other AS created_ts <= first_step.created_ts + INTERVAL '7' DAY
    )
),
furthest AS (
    SELECT user_id, max(reached) AS reached
    FROM attempts
    GROUP BY user_id
),
per_step AS (
    SELECT step, event_type, count(reached) AS users
    FROM funnel
    LEFT JOIN furthest ON reached >= step
    GROUP BY step, event_type
)
SELECT
    step,
    event_type,
    users,
    round(1e0 * users / nullif(first_value(users) OVER (ORDER BY step), 0), 3) AS share_of_first,
    round(1e0 * users / nullif(lag(users) OVER (ORDER BY step), 0), 3) AS share_of_step_before
FROM per_step
ORDER BY step
