-- Removes what is shown of chunks.
DELETE FROM texts
WHERE chunk IN (SELECT value FROM json_each(?1))
