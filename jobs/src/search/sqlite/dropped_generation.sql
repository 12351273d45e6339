-- A generation that is to be pruned.
SELECT number
FROM generations
WHERE is_dropped = 1
ORDER BY number
LIMIT 1
