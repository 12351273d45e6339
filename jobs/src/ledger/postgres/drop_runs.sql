-- Deletes a sync's runs up to one.
DELETE FROM sync_runs
WHERE sync = $1
  AND number <= $2
