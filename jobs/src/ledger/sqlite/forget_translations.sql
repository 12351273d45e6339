-- Forgets translations of a tenant, whose room is held, that were not used for long enough.
DELETE FROM translations
WHERE tenant = ?1
  AND hash IN (
    SELECT hash
    FROM translations
    WHERE tenant = ?1
      AND used_at_ms < ?2
    ORDER BY used_at_ms, hash
    LIMIT ?3
)
RETURNING bytes
