-- Deletes idempotency keys whose time is over, oldest first.
DELETE FROM keys
WHERE (tenant, scope, key) IN (SELECT tenant, scope, key FROM keys WHERE expires_at_ms <= ?1 ORDER BY expires_at_ms LIMIT ?2)
