-- Deletes finished jobs that are still as they were read; a redriven one stays.
DELETE FROM jobs
USING unnest($1::uuid[], $2::bigint[]) AS going (id, finished_at_ms)
WHERE jobs.id = going.id
  AND jobs.finished_at_ms = going.finished_at_ms
RETURNING jobs.id, jobs.tenant, jobs.state
