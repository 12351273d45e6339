-- Makes room of so many bytes: drops the translations of a tenant, whose room is held, that were not used for longest.
DELETE FROM translations
WHERE tenant = ?1
  AND hash IN (
    SELECT hash
    FROM (
        SELECT hash, sum(bytes) OVER (ORDER BY used_at_ms, hash ROWS UNBOUNDED PRECEDING) - bytes AS bytes_before
        FROM (SELECT hash, bytes, used_at_ms FROM translations WHERE tenant = ?1 ORDER BY used_at_ms, hash LIMIT ?3)
    )
    WHERE bytes_before < ?2
)
RETURNING bytes
