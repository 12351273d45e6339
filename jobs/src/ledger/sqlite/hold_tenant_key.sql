-- Which key the tenant has; whoever would destroy it waits until this transaction has ended.
SELECT id
FROM tenant_keys
WHERE tenant = ?1
