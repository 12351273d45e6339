-- Says that a worker lives.
UPDATE workers
SET seen_at_ms = ?2
WHERE id = ?1
