-- Notes that these translations of a tenant are used now.
UPDATE translations
SET used_at_ms = ?3
WHERE tenant = ?1
  AND hash IN (SELECT unhex(value) FROM json_each(?2))
  AND used_at_ms < ?3
