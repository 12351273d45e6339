-- Keeps what records have at look-up fields.
INSERT INTO record_values (tenant, collection, key, field, value)
SELECT $1, $2, given.*
FROM unnest($3::text[], $4::text[], $5::text[]) AS given
ON CONFLICT (tenant, collection, key, field) DO UPDATE
SET value = excluded.value
