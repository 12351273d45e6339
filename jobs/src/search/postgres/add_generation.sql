-- Makes an empty generation.
INSERT INTO windrow_search.generations (settings, documents, chunks, words, is_dropped, in_qdrant)
VALUES ($1, 0, 0, 0, 0, $2)
RETURNING number
