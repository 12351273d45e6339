-- Remembers who must be looked at when a lease runs out.
INSERT INTO leases (expires_at_ms, ids)
VALUES ($1, $2)
