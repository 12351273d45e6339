-- Chunks that have one of these terms and are of these documents, and their words: not too many, by their documents' names and their places.
SELECT c.id, d.document_id, c.n, t.words
FROM words AS w
JOIN chunks AS c ON c.id = w.rowid
JOIN documents AS d ON d.id = c.document
JOIN texts AS t ON t.chunk = c.id
WHERE w.words MATCH (SELECT group_concat('"' || value || '"', ' OR ') FROM json_each(?1))
  AND c.document IN (SELECT value FROM json_each(?3))
ORDER BY d.document_id, c.n
LIMIT ?2
