-- Those of these translations of the tenant that are kept, and when their use was last noted.
SELECT hash, facts, used_at_ms
FROM translations
WHERE tenant = $1
  AND hash = ANY ($2::bytea[])
