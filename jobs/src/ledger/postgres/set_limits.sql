-- Sets the limits of a lane, or of a queue where the tenant is empty.
INSERT INTO limits (queue, tenant, limits)
VALUES ($1, $2, $3)
ON CONFLICT (queue, tenant) DO UPDATE SET limits = excluded.limits
