-- Which job deleted a document last.
SELECT version
FROM windrow_search.deletions
WHERE index_id = $1
  AND document_id = $2
