-- Writes a run that is held.
UPDATE sync_runs
SET
    attempt = $3,
    state = $4,
    counts = $5,
    place = $6,
    error = $7,
    finished_at_ms = $8
WHERE sync = $1
  AND number = $2
