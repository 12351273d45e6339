-- Removes documents of a generation whose chunks are gone.
DELETE FROM windrow_search.documents
WHERE id IN (SELECT id FROM windrow_search.documents WHERE generation = $1 LIMIT $2)
