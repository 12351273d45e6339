-- The chunks of a document, in their order.
SELECT c.hash, t.text, t.heading, t.source, t.tokens
FROM windrow_search.chunks AS c
JOIN windrow_search.texts AS t ON t.chunk = c.id
WHERE c.document = $1
ORDER BY c.n
