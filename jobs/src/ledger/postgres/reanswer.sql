-- Gives idempotency keys other answers, in the transaction that reserved them.
UPDATE keys
SET
    job_id = given.job_id,
    answer = given.answer
FROM unnest($1::text[], $2::text[], $3::uuid[], $4::text[]) AS given (tenant, key, job_id, answer)
WHERE keys.tenant = given.tenant
  AND keys.scope = 'idempotency'
  AND keys.key = given.key
