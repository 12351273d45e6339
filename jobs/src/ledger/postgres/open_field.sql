-- A look-up field that is being gone through, or that nobody wants any more.
SELECT tenant, collection, field, state, walked
FROM record_fields
WHERE state <> 'ready'
ORDER BY state
LIMIT 1
