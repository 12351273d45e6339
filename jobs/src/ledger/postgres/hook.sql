-- The hook of a connection.
SELECT connection, tenant, salt, token, forward_url, refused, refused_at_ms, created_at_ms, rotated_at_ms
FROM hooks
WHERE connection = $1
  AND tenant = $2
