-- Events of a connection, latest first, before this one, and how many there are within one more than the page's size; of these only
-- those before which what is known has at most so many bytes. The texts themselves are read last, of those events only.
WITH fitting AS (
    SELECT id, octet_length(facts) AS bytes
    FROM hook_events
    WHERE connection = ?1
      AND tenant = ?2
      AND (?3 IS NULL OR id < ?3)
    ORDER BY id DESC
    LIMIT ?4 + 1
), sized AS (
    SELECT id,
        count(*) OVER () AS found,
        sum(bytes) OVER (ORDER BY id DESC) - bytes AS bytes_before
    FROM fitting
)
SELECT event.id, tenant, connection, digest, received_at_ms, facts, found
FROM sized
JOIN hook_events AS event ON event.id = sized.id
WHERE bytes_before <= ?5
ORDER BY sized.id DESC
LIMIT ?4
