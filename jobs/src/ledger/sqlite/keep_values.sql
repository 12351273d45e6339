-- Keeps what records have at look-up fields.
INSERT INTO record_values (tenant, collection, key, field, value)
SELECT ?1, ?2, value ->> 'key', value ->> 'field', value ->> 'value'
FROM json_each(?3)
WHERE true
ON CONFLICT (tenant, collection, key, field) DO UPDATE
SET value = excluded.value
