-- Writes decided changes where everything that the decision looked at still holds: the guard. Ids come sorted, so
-- that two of these wait for each other and never deadlock. `IS NOT DISTINCT FROM` keeps the state out of every
-- index scan.
WITH clock AS MATERIALIZED (
    SELECT coalesce($1::bigint, (extract(epoch FROM clock_timestamp()) * 1000)::bigint) AS now_ms
),
change AS MATERIALIZED (
    SELECT *
    FROM unnest(
        $3::uuid[], $4::smallint[], $5::integer[], $6::boolean[], $7::bigint[], $8::smallint[], $9::bigint[], $10::integer[], $11::integer[],
        $12::boolean[], $13::boolean[], $14::boolean[], $15::boolean[], $16::text[], $17::text[], $18::text[], $19::text[]
    ) AS given (
        id, seen_state, seen_attempt, seen_cancel_requested, seen_lease_until_ms, state, delay_ms, forgiven, crashes, cancel_requested,
        lifts_deadline, finished, has_verdict, outcome, reason, error, result
    )
)
UPDATE jobs
SET
    state = change.state,
    run_at_ms = CASE WHEN change.delay_ms IS NULL THEN jobs.run_at_ms ELSE clock.now_ms + change.delay_ms END,
    forgiven = change.forgiven,
    crashes = change.crashes,
    cancel_requested = change.cancel_requested,
    deadline_at_ms = CASE WHEN change.lifts_deadline THEN NULL ELSE jobs.deadline_at_ms END,
    finished_at_ms = CASE WHEN change.finished THEN clock.now_ms END,
    lease_until_ms = CASE WHEN change.state = 2 THEN jobs.lease_until_ms END,
    outcome = CASE WHEN change.has_verdict THEN change.outcome ELSE jobs.outcome END,
    reason = CASE WHEN change.has_verdict THEN change.reason ELSE jobs.reason END,
    error = CASE WHEN change.has_verdict THEN change.error ELSE jobs.error END,
    result = CASE WHEN change.has_verdict THEN change.result ELSE jobs.result END
FROM change, clock
WHERE jobs.id = change.id
  AND jobs.state IS NOT DISTINCT FROM change.seen_state
  AND jobs.attempt = change.seen_attempt
  AND jobs.cancel_requested = change.seen_cancel_requested
  AND (change.seen_lease_until_ms IS NULL OR jobs.lease_until_ms = change.seen_lease_until_ms)
  AND ($2::text IS NULL OR jobs.tenant = $2)
RETURNING jobs.id, jobs.tenant, jobs.queue, jobs.kind, jobs.priority, jobs.attempt, jobs.run_at_ms, jobs.deadline_at_ms, jobs.unique_key, clock.now_ms
