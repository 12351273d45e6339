-- Lets go of the unique keys of jobs that ended; a key that another job has by now stays.
DELETE FROM keys
USING unnest($1::text[], $2::text[], $3::uuid[]) AS given (tenant, key, job_id)
WHERE keys.tenant = given.tenant
  AND keys.scope = 'unique'
  AND keys.key = given.key
  AND keys.job_id = given.job_id
