-- Deletes those of these idempotency keys whose time is over, so that they can be reserved again. They come sorted, so
-- that two of these wait for each other and never deadlock.
DELETE FROM keys
USING unnest($2::text[], $3::text[]) AS given (tenant, key)
WHERE keys.tenant = given.tenant
  AND keys.scope = 'idempotency'
  AND keys.key = given.key
  AND keys.expires_at_ms <= coalesce($1::bigint, (extract(epoch FROM clock_timestamp()) * 1000)::bigint)
