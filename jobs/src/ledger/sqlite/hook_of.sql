-- The hook that whoever has this token tells.
SELECT connection, tenant, salt, token, forward_url, refused, refused_at_ms, created_at_ms, rotated_at_ms
FROM hooks
WHERE token = ?1
