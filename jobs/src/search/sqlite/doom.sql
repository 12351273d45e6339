-- Decides that points go which are due and which nobody has: from now on nobody can take them.
UPDATE loose
SET is_doomed = 1
WHERE is_doomed = 0
  AND point IN (
    SELECT l.point
    FROM loose AS l
    WHERE l.is_doomed = 0
      AND l.due_ms < ?1
      AND NOT EXISTS (SELECT 1 FROM chunks AS c WHERE c.point = l.point)
      AND NOT EXISTS (SELECT 1 FROM staged AS s WHERE s.point = l.point)
    LIMIT ?2
  )
