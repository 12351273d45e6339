-- Counts outcomes that were accepted.
INSERT INTO outcomes (tenant, completed, dead, cancelled)
SELECT *
FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::bigint[])
