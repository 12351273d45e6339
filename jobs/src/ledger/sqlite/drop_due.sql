-- Forgets due times that were looked at.
DELETE FROM delayed
WHERE bucket = ?1
  AND (due_at_ms, id) IN (SELECT value ->> 0, unhex(value ->> 1) FROM json_each(?2))
