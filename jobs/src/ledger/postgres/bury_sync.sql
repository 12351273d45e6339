-- Notes that what a sync remembers is to be forgotten.
INSERT INTO deleted_syncs (id)
VALUES ($1)
ON CONFLICT DO NOTHING
