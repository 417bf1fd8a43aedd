-- One row: a day on which sessions began, and how many of them came as far as each step to a payment, in this order.
-- Reads session_events, written by glue_jobs/sessions_batch.py. For another funnel put other event types in.
-- Usage:
--   select * from funnel where session_date >= date '2024-03-17' order by session_date
CREATE OR REPLACE VIEW funnel AS
WITH seen AS (
    SELECT
        session_date, session_key, event_type, event_time,
        min(CASE WHEN event_type = 'product' THEN event_time END)
            OVER (PARTITION BY session_date, session_key) AS product_at
    FROM session_events
    WHERE event_type IN ('product', 'cart', 'checkout', 'payment')
),
carted AS (
    SELECT
        seen.*,
        min(CASE WHEN event_type = 'cart' AND event_time >= product_at THEN event_time END)
            OVER (PARTITION BY session_date, session_key) AS cart_at
    FROM seen
),
checked_out AS (
    SELECT
        carted.*,
        min(CASE WHEN event_type = 'checkout' AND event_time >= cart_at THEN event_time END)
            OVER (PARTITION BY session_date, session_key) AS checkout_at
    FROM carted
),
paid AS (
    SELECT
        session_date, session_key, product_at, cart_at, checkout_at,
        min(CASE WHEN event_type = 'payment' AND event_time >= checkout_at THEN event_time END) AS payment_at
    FROM checked_out
    GROUP BY session_date, session_key, product_at, cart_at, checkout_at
)
SELECT
    session_date,
    count(product_at) AS product,
    count(cart_at) AS cart,
    count(checkout_at) AS checkout,
    count(payment_at) AS payment
FROM paid
GROUP BY session_date
