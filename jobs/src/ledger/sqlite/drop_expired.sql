-- Deletes those of these idempotency keys whose time is over, so that they can be reserved again.
DELETE FROM keys
WHERE (tenant, scope, key) IN (SELECT value ->> 'tenant', 'idempotency', value ->> 'key' FROM json_each(?1))
  AND expires_at_ms <= ?2
