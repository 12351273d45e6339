-- The limits of a lane, or of a queue where the tenant is empty, made as given if there are none. Nobody else writes the row
-- until this transaction has ended: the change that does nothing waits for whoever writes it now.
INSERT INTO limits (queue, tenant, limits)
VALUES ($1, $2, $3)
ON CONFLICT (queue, tenant) DO UPDATE SET limits = limits.limits
RETURNING limits
