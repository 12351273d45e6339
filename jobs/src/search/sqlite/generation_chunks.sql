-- Some chunks of a generation.
SELECT id
FROM chunks
WHERE generation = ?1
LIMIT ?2
