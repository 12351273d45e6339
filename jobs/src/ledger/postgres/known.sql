-- Which of these jobs are in the ledger.
SELECT id
FROM jobs
WHERE id = ANY ($1::uuid[])
