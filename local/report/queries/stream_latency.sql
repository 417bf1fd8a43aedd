-- From a record's arrival in Kinesis to its row in the quarantine, in seconds: half of the rows, and 95 of 100, took less.
SELECT
    source,
    count(*) AS records,
    round(approx_percentile(to_unixtime(quarantined_at) - to_unixtime(arrived_at), 0.5), 1) AS median_seconds,
    round(approx_percentile(to_unixtime(quarantined_at) - to_unixtime(arrived_at), 0.95), 1) AS p95_seconds
FROM quarantine
WHERE arrived_date BETWEEN DATE '2024-03-04' AND DATE '2024-03-31'
    AND origin LIKE 'kinesis:%'
GROUP BY source
ORDER BY source
