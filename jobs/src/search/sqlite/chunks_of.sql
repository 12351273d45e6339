-- The chunks of documents.
SELECT id
FROM chunks
WHERE document IN (SELECT value FROM json_each(?1))
