-- Decides that points go which are due and which nobody has: from now on nobody can take them.
UPDATE windrow_search.loose
SET is_doomed = 1
WHERE is_doomed = 0
  AND point IN (
    SELECT l.point
    FROM windrow_search.loose AS l
    WHERE l.is_doomed = 0
      AND l.due_ms < $1
      AND NOT EXISTS (SELECT 1 FROM windrow_search.chunks AS c WHERE c.point = l.point)
      AND NOT EXISTS (SELECT 1 FROM windrow_search.staged AS s WHERE s.point = l.point)
    LIMIT $2
  )
