-- The tenant's connections that have secrets, which are about to be lost.
SELECT id, tenant, name, provider, version, facts, sealed_by, sealed, created_at_ms, updated_at_ms, tested_at_ms, erred_at_ms, last_used_at_ms
FROM connections
WHERE tenant = ?1
  AND sealed IS NOT NULL
ORDER BY id
