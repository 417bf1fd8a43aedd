-- Why rows were quarantined, and an example of each: what to fix first.
SELECT
    source,
    reason,
    count(*) AS quarantined,
    min(arrived_date) AS since,
    substr(min(raw), 1, 40) AS example
FROM quarantine
CROSS JOIN unnest(reasons) AS broken (reason)
GROUP BY source, reason
ORDER BY quarantined DESC, source, reason
LIMIT 10
