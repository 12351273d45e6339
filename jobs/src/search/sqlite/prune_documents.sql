-- Removes documents of a generation whose chunks are gone.
DELETE FROM documents
WHERE id IN (SELECT id FROM documents WHERE generation = ?1 LIMIT ?2)
