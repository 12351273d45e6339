-- Those of these keys whose conflict a run saw.
SELECT key
FROM sync_conflicts
WHERE sync = ?1
  AND run = ?2
  AND key IN (SELECT value FROM json_each(?3))
