-- A generation that is to be pruned, and that nobody else prunes.
SELECT number
FROM windrow_search.generations
WHERE is_dropped = 1
ORDER BY number
LIMIT 1
FOR UPDATE SKIP LOCKED
