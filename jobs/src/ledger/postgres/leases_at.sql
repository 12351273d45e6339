-- The leases that run out at one of these instants.
SELECT expires_at_ms, ids
FROM leases
WHERE expires_at_ms = ANY ($1::bigint[])
