-- Changes the status of a template, of a connection of the tenant, unless something later is known.
UPDATE approved_templates
SET status = $5,
    as_of_ms = $6
WHERE connection = $1
  AND name = $3
  AND language = $4
  AND as_of_ms <= $6
  AND EXISTS (SELECT 1 FROM approved_syncs WHERE connection = $1 AND tenant = $2)
