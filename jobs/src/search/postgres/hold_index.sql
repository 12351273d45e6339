-- Takes hold of an index of a tenant: whoever writes to it comes one after the other.
SELECT id, current, next, deleted_to
FROM windrow_search.indexes
WHERE tenant = $1
  AND name = $2
FOR UPDATE
