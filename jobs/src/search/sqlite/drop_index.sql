-- Removes an index that is held: nobody finds its generations any more.
DELETE FROM indexes
WHERE id = ?1
