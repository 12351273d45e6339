-- One job of the tenant.
SELECT *
FROM jobs
WHERE id = $1
  AND tenant = $2
