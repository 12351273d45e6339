-- Another wrapping of a key that is wrapped as was seen.
UPDATE tenant_keys
SET wrapped = $3, master = $4, wrapped_at_ms = coalesce($6::bigint, (extract(epoch FROM clock_timestamp()) * 1000)::bigint)
WHERE tenant = $1
  AND id = $2
  AND master = $5
