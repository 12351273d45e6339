-- The chunks of a document as they lie there.
SELECT id, n, hash, facts
FROM chunks
WHERE document = ?1
ORDER BY n
