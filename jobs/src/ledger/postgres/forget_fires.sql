-- Forgets fires that were kept long enough; not those at whose jobs the next ones look. Nobody waits for these rows; what another holds goes next time.
DELETE FROM fires
USING (
    SELECT schedule_id, fire_at_ms
    FROM fires
    WHERE fire_at_ms < $1
      AND NOT is_open
    ORDER BY fire_at_ms
    LIMIT $2
    FOR UPDATE SKIP LOCKED
) AS old
WHERE fires.schedule_id = old.schedule_id
  AND fires.fire_at_ms = old.fire_at_ms
