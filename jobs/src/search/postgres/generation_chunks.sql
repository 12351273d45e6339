-- Some chunks of a generation.
SELECT id
FROM windrow_search.chunks
WHERE generation = $1
LIMIT $2
