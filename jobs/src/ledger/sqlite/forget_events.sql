-- Forgets events that were kept long enough.
DELETE FROM hook_events
WHERE id IN (
    SELECT id
    FROM hook_events
    WHERE received_at_ms < ?1
    ORDER BY received_at_ms
    LIMIT ?2
)
