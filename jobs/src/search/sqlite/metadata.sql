-- By what the documents of a generation can be found.
SELECT id, metadata
FROM documents
WHERE generation = ?1
