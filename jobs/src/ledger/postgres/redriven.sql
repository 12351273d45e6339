-- The unique keys of ended jobs that these changes bring back: of those only whose guard holds. The rows are
-- locked in the order of their ids, so that the guard still holds when the change is written.
SELECT jobs.id, jobs.tenant, jobs.unique_key
FROM unnest($1::uuid[], $2::smallint[], $3::integer[], $4::boolean[]) AS change (id, seen_state, seen_attempt, seen_cancel_requested)
JOIN jobs ON jobs.id = change.id
WHERE jobs.unique_key IS NOT NULL
  AND jobs.state IS NOT DISTINCT FROM change.seen_state
  AND jobs.attempt = change.seen_attempt
  AND jobs.cancel_requested = change.seen_cancel_requested
  AND ($5::text IS NULL OR jobs.tenant = $5)
ORDER BY jobs.id
FOR UPDATE OF jobs
