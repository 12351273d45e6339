-- Says that a generation's vectors have an index.
UPDATE windrow_search.generations
SET is_indexed = 1
WHERE number = $1
