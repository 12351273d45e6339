-- What a decision about these jobs looks at.
SELECT
    jobs.id, jobs.tenant, jobs.state, jobs.attempt, jobs.forgiven, jobs.crashes, jobs.max_attempts, jobs.cancel_requested, jobs.run_at_ms,
    jobs.deadline_at_ms, jobs.lease_until_ms
FROM unnest($1::uuid[]) WITH ORDINALITY AS wanted (id, place)
JOIN jobs ON jobs.id = wanted.id
ORDER BY wanted.place
