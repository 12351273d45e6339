-- Removes feed rows that the planner has seen.
DELETE FROM feed
WHERE seq = ANY ($1::bigint[])
