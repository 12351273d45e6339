-- Removes a generation of which nothing is left.
DELETE FROM windrow_search.generations
WHERE number = $1
