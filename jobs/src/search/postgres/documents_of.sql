-- Those of these documents that jobs up to this one brought.
SELECT id, chunks, words
FROM windrow_search.documents
WHERE generation = $1
  AND version <= $2
  AND document_id IN (SELECT value FROM json_array_elements_text($3::json) AS each (value))
