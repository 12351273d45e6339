-- The leases that run out at one of these instants.
SELECT expires_at_ms, ids
FROM leases
WHERE expires_at_ms IN (SELECT value FROM json_each(?1))
