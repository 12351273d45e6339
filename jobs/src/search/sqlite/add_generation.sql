-- Makes an empty generation.
INSERT INTO generations (settings, documents, chunks, words, is_dropped, in_qdrant)
VALUES (?1, 0, 0, 0, 0, ?2)
RETURNING number
