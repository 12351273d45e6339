-- Says which generations an index has, which is held.
UPDATE indexes
SET current = ?2, next = ?3
WHERE id = ?1
