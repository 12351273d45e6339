-- Renews the leases of exactly these attempts of this worker.
WITH clock AS MATERIALIZED (
    SELECT coalesce($1::bigint, (extract(epoch FROM clock_timestamp()) * 1000)::bigint) AS now_ms
)
UPDATE jobs
SET lease_until_ms = clock.now_ms + held.lease_ms
FROM unnest($2::uuid[], $3::integer[], $4::bigint[]) AS held (id, attempt, lease_ms), clock
WHERE jobs.id = held.id
  AND jobs.state IS NOT DISTINCT FROM 2
  AND jobs.attempt = held.attempt
  AND jobs.worker = $5
RETURNING jobs.id, jobs.attempt, jobs.cancel_requested, jobs.lease_until_ms
