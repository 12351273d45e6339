-- When the lease ran or runs out that is looked at first.
SELECT expires_at_ms
FROM leases
ORDER BY expires_at_ms
LIMIT 1
