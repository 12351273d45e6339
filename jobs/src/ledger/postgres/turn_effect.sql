-- Changes an effect that stands at the version that was decided on, while the attempt runs if one is given: the lock on its job
-- holds its end back until this is committed.
WITH held AS MATERIALIZED (
    SELECT id
    FROM jobs
    WHERE id = $1
      AND attempt = $8
      AND state IS NOT DISTINCT FROM 2
    FOR SHARE
)
UPDATE effects
SET version = version + 1,
    facts = $4,
    callback = coalesce($5, callback),
    changed_at_ms = coalesce($6::bigint, (extract(epoch FROM clock_timestamp()) * 1000)::bigint),
    until_at_ms = coalesce($6::bigint, (extract(epoch FROM clock_timestamp()) * 1000)::bigint) + $7::bigint
WHERE job_id = $1
  AND key = $2
  AND version = $3
  AND ($8::integer IS NULL OR EXISTS (SELECT FROM held))
