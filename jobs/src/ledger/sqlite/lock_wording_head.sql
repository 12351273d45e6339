-- A template in a language, live or deleted; whoever would change it waits until this transaction has ended.
SELECT name, locale, version, is_live, created_at_ms, updated_at_ms
FROM wording_heads
WHERE tenant = ?1
  AND name = ?2
  AND locale = ?3
