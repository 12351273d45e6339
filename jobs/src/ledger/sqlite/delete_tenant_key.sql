-- Destroys the tenant's key.
DELETE FROM tenant_keys
WHERE tenant = ?1
