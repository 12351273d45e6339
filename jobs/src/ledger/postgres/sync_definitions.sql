-- What the tenant's syncs into a collection say.
SELECT definition
FROM syncs
WHERE tenant = $1
  AND collection = $2
ORDER BY name
