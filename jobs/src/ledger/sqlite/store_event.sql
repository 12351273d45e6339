-- Writes what is known of an event; whoever writes holds the row.
UPDATE hook_events
SET facts = ?2
WHERE id = ?1
