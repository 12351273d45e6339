-- Removes an index that is held: nobody finds its generations any more.
DELETE FROM windrow_search.indexes
WHERE id = $1
