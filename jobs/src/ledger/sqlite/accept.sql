-- Counts what was accepted. One writer, so a row per tenant is no point of contention here.
INSERT INTO intake (tenant, accepted)
SELECT key, value
FROM json_each(?1)
WHERE true
ON CONFLICT (tenant) DO UPDATE SET accepted = accepted + excluded.accepted
