-- The tenant's key.
SELECT tenant, id, wrapped, master
FROM tenant_keys
WHERE tenant = $1
