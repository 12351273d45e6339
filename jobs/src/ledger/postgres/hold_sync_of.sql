-- A sync by its id.
SELECT id, tenant, name, version, preset, definition, since, last_run, created_at_ms, updated_at_ms
FROM syncs
WHERE tenant = $1
  AND id = $2
FOR UPDATE
