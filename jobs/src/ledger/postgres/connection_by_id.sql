-- One connection of the tenant.
SELECT id, tenant, name, provider, version, facts, sealed_by, sealed, created_at_ms, updated_at_ms, tested_at_ms, erred_at_ms, last_used_at_ms
FROM connections
WHERE id = $1
  AND tenant = $2
