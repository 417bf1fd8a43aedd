-- Why rows were quarantined, and an example of each: what to fix first.
-- One row: a source and a reason. A quarantined row that breaks two rules is in two of them.
-- Reads quarantine. Parameters: the first day.
SELECT
    source,
    reason,
    count(*) AS quarantined,
    min(arrived_date) AS since,
    substr(min(raw), 1, 40) AS example
FROM quarantine
CROSS JOIN unnest(reasons) AS broken (reason)
WHERE arrived_date >= DATE '2024-03-01'
GROUP BY source, reason
ORDER BY quarantined DESC, source, reason
LIMIT 10
