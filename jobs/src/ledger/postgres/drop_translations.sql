-- Makes room of so many bytes: drops the translations of a tenant, whose room is held, that were not used for longest. Nobody waits
-- for these rows: one that is being noted as used stays.
DELETE FROM translations
USING (
    SELECT hash, sum(bytes) OVER (ORDER BY used_at_ms, hash ROWS UNBOUNDED PRECEDING) - bytes AS bytes_before
    FROM (
        SELECT hash, bytes, used_at_ms
        FROM translations
        WHERE tenant = $1
        ORDER BY used_at_ms, hash
        LIMIT $3
        FOR UPDATE SKIP LOCKED
    ) AS oldest
) AS old
WHERE translations.tenant = $1
  AND translations.hash = old.hash
  AND old.bytes_before < $2
RETURNING translations.bytes
