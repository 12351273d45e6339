-- What is shown of chunks that were found.
SELECT c.id, d.document_id, c.n, t.text, t.heading, t.source, d.title, d.metadata
FROM chunks AS c
JOIN texts AS t ON t.chunk = c.id
JOIN documents AS d ON d.id = c.document
WHERE c.id IN (SELECT value FROM json_each(?1))
