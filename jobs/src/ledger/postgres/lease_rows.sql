-- Leases that ran out, oldest first.
SELECT id, ids
FROM leases
WHERE expires_at_ms <= $1
ORDER BY expires_at_ms
LIMIT $2
