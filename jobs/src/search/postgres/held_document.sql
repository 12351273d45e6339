-- A document of a generation whose index is held.
SELECT id, version, chunks, words
FROM windrow_search.documents
WHERE generation = $1
  AND document_id = $2
