-- Forgets fires that were kept long enough.
DELETE FROM fires
WHERE (schedule_id, fire_at_ms) IN (
    SELECT schedule_id, fire_at_ms
    FROM fires
    WHERE fire_at_ms < ?1
      AND status <> 'queued'
    ORDER BY fire_at_ms
    LIMIT ?2
)
