-- How many tenants' keys each master key wraps.
SELECT master, count(*)
FROM tenant_keys
GROUP BY master
ORDER BY master
