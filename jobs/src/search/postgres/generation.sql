-- What a generation was made with.
SELECT settings
FROM windrow_search.generations
WHERE number = $1
