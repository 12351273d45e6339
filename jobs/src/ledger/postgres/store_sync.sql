-- Writes a sync that is held.
UPDATE syncs
SET
    version = $2,
    preset = $3,
    definition = $4,
    collection = $5,
    since = $6,
    last_run = $7,
    updated_at_ms = $8
WHERE id = $1
