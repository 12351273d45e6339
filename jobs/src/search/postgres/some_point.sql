-- A point of a generation, if it has any.
SELECT point
FROM windrow_search.chunks
WHERE generation = $1
  AND point IS NOT NULL
LIMIT 1
