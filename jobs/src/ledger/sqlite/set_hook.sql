-- Makes the hook of a connection of the tenant, or puts another token in the place of the one before, which is of no use from now on.
INSERT INTO hooks (connection, tenant, salt, token, forward_url, refused, refused_at_ms, created_at_ms, rotated_at_ms)
SELECT id, tenant, ?3, ?4, ?5, 0, NULL, ?6, NULL
FROM connections
WHERE id = ?1
  AND tenant = ?2
ON CONFLICT (connection) DO UPDATE
SET salt = excluded.salt,
    token = excluded.token,
    forward_url = excluded.forward_url,
    rotated_at_ms = excluded.created_at_ms
RETURNING connection, tenant, salt, token, forward_url, refused, refused_at_ms, created_at_ms, rotated_at_ms
