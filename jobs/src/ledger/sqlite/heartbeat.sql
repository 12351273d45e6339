-- Renews the leases of exactly these attempts of this worker.
WITH held AS MATERIALIZED (
    SELECT unhex(value ->> 'id') AS id, value ->> 'attempt' AS attempt, value ->> 'lease_ms' AS lease_ms
    FROM json_each(?1)
)
UPDATE jobs
SET lease_until_ms = ?2 + held.lease_ms
FROM held
WHERE jobs.id = held.id
  AND jobs.state IS 2
  AND jobs.attempt = held.attempt
  AND jobs.worker = ?3
RETURNING jobs.id, jobs.attempt, jobs.cancel_requested, jobs.lease_until_ms
