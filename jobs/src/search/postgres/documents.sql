-- Documents of a generation behind this id, by their ids.
SELECT document_id, version, title, metadata, chunks, written_at_ms
FROM windrow_search.documents
WHERE generation = $1
  AND document_id > $2
ORDER BY document_id
LIMIT $3
