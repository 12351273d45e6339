-- Says which generations an index has, which is held.
UPDATE windrow_search.indexes
SET current = $2, next = $3
WHERE id = $1
