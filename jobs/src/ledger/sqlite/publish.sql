-- Publishes contracts. A version is published once and never changed.
INSERT INTO contracts (kind, version, contract)
SELECT value ->> 'kind', value ->> 'version', value
FROM json_each(?1)
WHERE true
ON CONFLICT (kind, version) DO NOTHING
