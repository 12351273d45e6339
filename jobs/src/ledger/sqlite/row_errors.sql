-- Row errors of a run, in their order.
SELECT key, page, row_index, code, message, pointer
FROM sync_errors
WHERE sync = ?2
  AND run = ?3
  AND n >= ?4
  AND EXISTS (SELECT 1 FROM syncs WHERE id = ?2 AND tenant = ?1)
ORDER BY n
LIMIT ?5
