-- Publishes contracts. A version is published once and never changed.
INSERT INTO contracts (kind, version, contract)
SELECT *
FROM unnest($1::text[], $2::integer[], $3::text[])
ON CONFLICT (kind, version) DO NOTHING
