-- Changes a delivery that stands at the version that was decided on.
UPDATE deliveries
SET version = ?3,
    connection = ?4,
    provider_id = ?5,
    facts = ?6,
    changed_at_ms = ?7
WHERE job_id = ?1
  AND key = ?2
  AND version = ?3 - 1
