-- What a decision about these jobs looks at.
SELECT
    jobs.id, jobs.tenant, jobs.state, jobs.attempt, jobs.forgiven, jobs.crashes, jobs.max_attempts, jobs.cancel_requested, jobs.run_at_ms,
    jobs.deadline_at_ms, jobs.lease_until_ms
FROM json_each(?1) AS wanted
CROSS JOIN jobs ON jobs.id = unhex(wanted.value)
ORDER BY wanted.key
