-- The effect that whoever has this token reports on.
SELECT job_id, key, tenant, version, facts, callback, created_at_ms, changed_at_ms, until_at_ms
FROM effects
WHERE callback = ?1
