-- What leads to purchases: the first and the last other site that users came from in the 30 days before each.
-- One row: the host of a site, and the purchases that it was the first and the last touch of, (none) for no site.
-- Reads clickstream. Parameters: the days of the purchases (the first day twice), and the event type.
WITH visits AS (
    SELECT
        user_id,
        event_time,
        event_type,
        event_date,
        nullif(url_extract_host(referrer_url), url_extract_host(page_url)) AS site
    FROM clickstream
    WHERE event_date BETWEEN DATE '2024-03-01' - INTERVAL '30' DAY AND DATE '2024-03-31'
),
purchases AS (
    SELECT DISTINCT user_id, event_time AS purchased_at
    FROM visits
    WHERE event_date >= DATE '2024-03-01'
        AND event_type = 'purchase'
),
touches AS (
    SELECT
        purchases.user_id,
        purchases.purchased_at,
        min(ROW(visits.event_time, visits.site)) AS first_touch,
        max(ROW(visits.event_time, visits.site)) AS last_touch
    FROM purchases
    LEFT JOIN visits
        ON visits.user_id = purchases.user_id
        AND visits.event_time BETWEEN purchases.purchased_at - INTERVAL '30' DAY AND purchases.purchased_at
        AND visits.site IS NOT NULL
    GROUP BY purchases.user_id, purchases.purchased_at
)
SELECT
    coalesce(site, '(none)') AS site,
    count_if(touch = 'first') AS first_touches,
    count_if(touch = 'last') AS last_touches
FROM touches
CROSS JOIN unnest(ARRAY['first', 'last'], ARRAY[first_touch[2], last_touch[2]]) AS sites (touch, site)
GROUP BY coalesce(site, '(none)')
ORDER BY last_touches DESC, first_touches DESC, site
