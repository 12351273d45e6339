-- Marks records that are held as deleted.
UPDATE records
SET
    version = version + 1,
    sync = ?3,
    updated_at_ms = ?4,
    deleted_at_ms = ?4
WHERE tenant = ?1
  AND collection = ?2
  AND key IN (SELECT value FROM json_each(?5))
