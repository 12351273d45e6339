-- How these jobs of the tenant stand.
SELECT jobs.id, jobs.state, jobs.error, jobs.tags
FROM json_each(?2) AS wanted
CROSS JOIN jobs ON jobs.id = unhex(wanted.value)
WHERE jobs.tenant = ?1
