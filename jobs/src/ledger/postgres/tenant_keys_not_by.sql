-- Keys that other master keys wrap, by tenant.
SELECT tenant, id, wrapped, master
FROM tenant_keys
WHERE master <> $1
  AND tenant > $2
ORDER BY tenant
LIMIT $3
