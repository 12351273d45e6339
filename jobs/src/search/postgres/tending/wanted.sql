-- The largest generation that has grown, and whose vectors have no index.
SELECT number, settings
FROM windrow_search.generations
WHERE is_dropped = 0
  AND is_indexed = 0
  AND in_qdrant = 0
  AND chunks > $1
ORDER BY chunks DESC
LIMIT 1
