-- Records after a key, in their order.
SELECT key, data
FROM records
WHERE tenant = $1
  AND collection = $2
  AND key > $3
ORDER BY key
LIMIT $4
FOR UPDATE
