-- Makes the hook of a connection of the tenant, or puts another token in the place of the one before, which is of no use from now on.
-- The lock on the connection holds its end back until this is committed.
INSERT INTO hooks (connection, tenant, salt, token, forward_url, refused, refused_at_ms, created_at_ms, rotated_at_ms)
SELECT id, tenant, $3, $4, $5, 0, NULL, coalesce($6::bigint, (extract(epoch FROM clock_timestamp()) * 1000)::bigint), NULL
FROM connections
WHERE id = $1
  AND tenant = $2
FOR SHARE OF connections
ON CONFLICT (connection) DO UPDATE
SET salt = excluded.salt,
    token = excluded.token,
    forward_url = excluded.forward_url,
    rotated_at_ms = excluded.created_at_ms
RETURNING connection, tenant, salt, token, forward_url, refused, refused_at_ms, created_at_ms, rotated_at_ms
