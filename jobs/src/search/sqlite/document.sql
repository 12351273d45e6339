-- A document.
SELECT id, version, title, metadata
FROM documents
WHERE generation = ?1
  AND document_id = ?2
