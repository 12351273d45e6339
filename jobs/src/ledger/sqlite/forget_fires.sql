-- Forgets fires that were kept long enough; not those at whose jobs the next ones look.
DELETE FROM fires
WHERE (schedule_id, fire_at_ms) IN (
    SELECT schedule_id, fire_at_ms
    FROM fires
    WHERE fire_at_ms < ?1
      AND NOT is_open
    ORDER BY fire_at_ms
    LIMIT ?2
)
