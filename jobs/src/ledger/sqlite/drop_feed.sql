-- Removes feed rows that the planner has seen.
DELETE FROM feed
WHERE seq IN (SELECT value FROM json_each(?1))
