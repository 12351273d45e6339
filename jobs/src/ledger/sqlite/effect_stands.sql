-- Whether a change whose answer was lost is the last that was written: its facts bear a mark.
SELECT count(*)
FROM effects
WHERE job_id = ?1
  AND key = ?2
  AND version = ?3 + 1
  AND facts = ?4
