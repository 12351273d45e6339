-- The leases that run out after an instant.
SELECT expires_at_ms, ids
FROM leases
WHERE expires_at_ms > ?1
