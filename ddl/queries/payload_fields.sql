-- What stands in the payload: payments and their amounts, by currency.
-- One row: a currency, null where the payload has none. Amounts that are not numbers are counted and left out.
-- Reads events. Parameters: the days, the event type, and the fields: '$.geo.country' is a field of an object,
-- '$.items[0].sku' one of the first object of an array.
WITH payments AS (
    SELECT
        user_id,
        json_extract_scalar(payload, '$.currency') AS currency,
        try_cast(json_extract_scalar(payload, '$.amount') AS decimal(18, 2)) AS amount
    FROM events
    WHERE created_date BETWEEN DATE '2024-03-01' AND DATE '2024-03-31'
        AND event_type = 'payment'
)
SELECT
    currency,
    count(*) AS payments,
    count(DISTINCT user_id) AS users,
    count(*) - count(amount) AS without_amount,
    sum(amount) AS total,
    round(avg(CAST(amount AS double)), 2) AS average
FROM payments
GROUP BY currency
ORDER BY payments DESC, currency
