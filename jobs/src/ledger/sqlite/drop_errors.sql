-- Deletes the row errors of a sync's runs up to one.
DELETE FROM sync_errors
WHERE sync = ?1
  AND run <= ?2
