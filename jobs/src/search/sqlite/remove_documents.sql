-- Removes documents, whose chunks are gone.
DELETE FROM documents
WHERE id IN (SELECT value FROM json_each(?1))
