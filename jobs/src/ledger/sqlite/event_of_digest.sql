-- The event that told the same.
SELECT id
FROM hook_events
WHERE connection = ?1
  AND digest = ?2
