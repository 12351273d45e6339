-- Which job deleted a document last.
SELECT version
FROM deletions
WHERE index_id = ?1
  AND document_id = ?2
