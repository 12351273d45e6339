-- Gives idempotency keys other answers, in the transaction that reserved them.
UPDATE keys
SET
    job_id = unhex(given.value ->> 'job_id'),
    answer = given.value ->> 'answer'
FROM json_each(?1) AS given
WHERE keys.tenant = given.value ->> 'tenant'
  AND keys.scope = 'idempotency'
  AND keys.key = given.value ->> 'key'
