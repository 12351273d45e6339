-- Tells the planner what a batch did.
INSERT INTO feed (events, at_ms)
VALUES ($1, coalesce($2::bigint, (extract(epoch FROM clock_timestamp()) * 1000)::bigint))
RETURNING seq, at_ms
