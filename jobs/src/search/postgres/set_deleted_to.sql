-- Remembers which job deleted all documents of an index that is held: the latest.
UPDATE windrow_search.indexes
SET deleted_to = $2
WHERE id = $1
  AND deleted_to < $2
