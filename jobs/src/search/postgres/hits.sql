-- What is shown of chunks that were found.
SELECT c.id, d.document_id, c.n, t.text, t.heading, t.source, d.title, d.metadata
FROM windrow_search.chunks AS c
JOIN windrow_search.texts AS t ON t.chunk = c.id
JOIN windrow_search.documents AS d ON d.id = c.document
WHERE c.id IN (SELECT value::bigint FROM json_array_elements_text($1::json) AS each (value))
