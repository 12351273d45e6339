-- Writes over records that are held. One that was marked as deleted is there again.
WITH given AS MATERIALIZED (
    SELECT value ->> 'key' AS key, value ->> 'data' AS data, unhex(value ->> 'hash') AS hash, value ->> 'version' AS version
    FROM json_each(?5)
)
UPDATE records
SET
    data = given.data,
    hash = given.hash,
    version = given.version,
    sync = ?3,
    updated_at_ms = ?4,
    deleted_at_ms = NULL
FROM given
WHERE records.tenant = ?1
  AND records.collection = ?2
  AND records.key = given.key
