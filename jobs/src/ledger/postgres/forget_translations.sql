-- Forgets translations of a tenant, whose room is held, that were not used for long enough. Nobody waits for these rows: one that is
-- being noted as used stays.
DELETE FROM translations
USING (
    SELECT hash
    FROM translations
    WHERE tenant = $1
      AND used_at_ms < $2
    ORDER BY used_at_ms, hash
    LIMIT $3
    FOR UPDATE SKIP LOCKED
) AS old
WHERE translations.tenant = $1
  AND translations.hash = old.hash
RETURNING translations.bytes
