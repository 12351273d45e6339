-- Forgets events that were kept long enough. Nobody waits for these rows; what another holds goes next time.
DELETE FROM hook_events
USING (
    SELECT id
    FROM hook_events
    WHERE received_at_ms < $1
    ORDER BY received_at_ms
    LIMIT $2
    FOR UPDATE SKIP LOCKED
) AS old
WHERE hook_events.id = old.id
