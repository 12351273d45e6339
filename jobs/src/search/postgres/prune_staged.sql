-- Forgets vectors that were staged long ago.
DELETE FROM windrow_search.staged
WHERE (generation, hash) IN (
    SELECT generation, hash
    FROM windrow_search.staged
    WHERE staged_at_ms < $1
    ORDER BY staged_at_ms
    LIMIT $2
)
RETURNING generation, point
