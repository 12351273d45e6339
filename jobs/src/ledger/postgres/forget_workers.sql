-- Forgets workers that were not heard of for long.
DELETE FROM workers
WHERE seen_at_ms < $1
