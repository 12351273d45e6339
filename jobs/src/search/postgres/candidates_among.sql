-- Chunks that have one of these terms and are of these documents, and their words: not too many, by their documents' names and their places.
SELECT c.id, d.document_id, c.n, t.words
FROM windrow_search.words AS w
JOIN windrow_search.chunks AS c ON c.id = w.chunk
JOIN windrow_search.documents AS d ON d.id = c.document
JOIN windrow_search.texts AS t ON t.chunk = c.id
WHERE w.terms && ARRAY(SELECT value FROM json_array_elements_text($1::json) AS each (value))
  AND c.document IN (SELECT value::bigint FROM json_array_elements_text($3::json) AS each (value))
ORDER BY d.document_id, c.n
LIMIT $2
