-- In which languages the tenant has this template.
SELECT name, locale, version, is_live, created_at_ms, updated_at_ms
FROM wording_heads
WHERE tenant = $1
  AND name = $2
  AND is_live
ORDER BY locale
