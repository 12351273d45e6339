-- The points of some documents' chunks.
SELECT point
FROM chunks INDEXED BY chunks_document
WHERE document IN (SELECT value FROM json_each(?2))
  AND generation = ?1
  AND point IS NOT NULL
LIMIT ?3
