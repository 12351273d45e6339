-- An index of vectors of a generation that is gone, or is to go.
SELECT i.relname::text
FROM pg_class AS i
WHERE i.relnamespace = 'windrow_search'::regnamespace
  AND i.relkind = 'i'
  AND i.relname ~ '^chunks_near_[0-9]+$'
  AND NOT EXISTS (
    SELECT 1
    FROM windrow_search.generations AS g
    WHERE g.is_dropped = 0
      AND i.relname = 'chunks_near_' || g.number
  )
LIMIT 1
