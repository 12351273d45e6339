-- What a generation was made with, and where its vectors lie.
SELECT settings, in_qdrant
FROM windrow_search.generations
WHERE number = $1
