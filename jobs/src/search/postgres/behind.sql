-- Documents of the current generation that the next one lacks or has older, by their ids.
SELECT c.document_id, c.version
FROM windrow_search.documents AS c
WHERE c.generation = $1
  AND NOT EXISTS (
    SELECT 1
    FROM windrow_search.documents AS n
    WHERE n.generation = $2
      AND n.document_id = c.document_id
      AND n.version >= c.version
  )
ORDER BY c.document_id
LIMIT $3
