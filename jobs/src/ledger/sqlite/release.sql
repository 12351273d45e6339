-- Lets go of the unique keys of jobs that ended; a key that another job has by now stays.
DELETE FROM keys
WHERE (tenant, scope, key) IN (
    SELECT keys.tenant, keys.scope, keys.key
    FROM json_each(?1) AS given
    CROSS JOIN keys ON keys.tenant = given.value ->> 'tenant' AND keys.scope = 'unique' AND keys.key = given.value ->> 'key'
    WHERE keys.job_id = unhex(given.value ->> 'job_id')
)
