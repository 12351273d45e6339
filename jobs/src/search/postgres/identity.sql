-- By what spaces of this database are told from others' in Qdrant.
SELECT id
FROM windrow_search.identity
