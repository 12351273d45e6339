-- By what the documents of a generation can be found.
SELECT id, metadata
FROM windrow_search.documents
WHERE generation = $1
