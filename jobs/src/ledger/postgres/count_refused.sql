-- Counts calls whose signature was wrong.
UPDATE hooks
SET refused = refused + $4,
    refused_at_ms = coalesce($3::bigint, (extract(epoch FROM clock_timestamp()) * 1000)::bigint)
WHERE connection = $1
  AND tenant = $2
