-- Events of a connection, latest first, before this one, and how many there are within one more than the page's size; of these only
-- those before which what is known has at most so many bytes. (The length of a text that is stored apart is known without it.)
WITH fitting AS (
    SELECT id, tenant, connection, digest, received_at_ms, facts, octet_length(facts) AS bytes
    FROM hook_events
    WHERE connection = $1
      AND tenant = $2
      AND id < coalesce($3::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
    ORDER BY id DESC
    LIMIT $4 + 1
), sized AS (
    SELECT *,
        count(*) OVER () AS found,
        sum(bytes) OVER (ORDER BY id DESC) - bytes AS bytes_before
    FROM fitting
)
SELECT id, tenant, connection, digest, received_at_ms, facts, found
FROM sized
WHERE bytes_before <= $5
ORDER BY id DESC
LIMIT $4
