-- Writes over records that are held. One that was marked as deleted is there again.
UPDATE records
SET
    data = given.data,
    hash = given.hash,
    version = given.version,
    sync = $3,
    updated_at_ms = coalesce($4::bigint, (extract(epoch FROM clock_timestamp()) * 1000)::bigint),
    deleted_at_ms = NULL
FROM unnest($5::text[], $6::text[], $7::bytea[], $8::bigint[]) AS given (key, data, hash, version)
WHERE records.tenant = $1
  AND records.collection = $2
  AND records.key = given.key
