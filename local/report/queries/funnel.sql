-- How many sessions came as far as each step to a payment.
WITH steps AS (
    SELECT sum(product) AS product, sum(cart) AS cart, sum(checkout) AS checkout, sum(payment) AS payment
    FROM funnel
    WHERE session_date > (SELECT max(session_date) FROM session_events) - INTERVAL '30' DAY
)
SELECT
    step,
    event_type,
    sessions,
    round(1e0 * sessions / product, 3) AS ratio
FROM steps
CROSS JOIN unnest(
    ARRAY[1, 2, 3, 4],
    ARRAY['product', 'cart', 'checkout', 'payment'],
    ARRAY[product, cart, checkout, payment]
) AS step (step, event_type, sessions)
WHERE product > 0
ORDER BY step
