-- Changes an effect that stands at the version that was decided on, while the attempt runs if one is given.
UPDATE effects
SET version = version + 1,
    facts = ?4,
    callback = coalesce(?5, callback),
    changed_at_ms = ?6,
    until_at_ms = ?6 + ?7
WHERE job_id = ?1
  AND key = ?2
  AND version = ?3
  AND (?8 IS NULL OR EXISTS (SELECT 1 FROM jobs WHERE id = ?1 AND attempt = ?8 AND state = 2))
