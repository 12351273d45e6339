-- Notes that these translations of a tenant are used now. Nobody waits for these rows: what another holds is noted next time.
UPDATE translations
SET used_at_ms = $3
FROM (
    SELECT hash
    FROM translations
    WHERE tenant = $1
      AND hash = ANY ($2::bytea[])
      AND used_at_ms < $3
    FOR UPDATE SKIP LOCKED
) AS used
WHERE translations.tenant = $1
  AND translations.hash = used.hash
