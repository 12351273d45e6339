-- How these jobs of the tenant stand.
SELECT id, state, error, tags
FROM jobs
WHERE id = ANY ($2::uuid[])
  AND tenant = $1
