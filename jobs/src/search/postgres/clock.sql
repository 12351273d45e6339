-- The database's clock, or the one that a test put in its place.
SELECT coalesce($1::bigint, (extract(epoch FROM clock_timestamp()) * 1000)::bigint)
