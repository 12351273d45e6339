-- The documents of a generation that jobs up to this one brought.
SELECT id, chunks, words
FROM documents
WHERE generation = ?1
  AND version <= ?2
