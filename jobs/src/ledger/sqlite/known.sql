-- Which of these jobs are in the ledger.
SELECT jobs.id
FROM json_each(?1) AS wanted
CROSS JOIN jobs ON jobs.id = unhex(wanted.value)
