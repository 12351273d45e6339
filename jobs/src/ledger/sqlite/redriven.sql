-- The unique keys of ended jobs that these changes bring back: of those only whose guard holds.
SELECT jobs.id, jobs.tenant, jobs.unique_key
FROM json_each(?1) AS change
CROSS JOIN jobs ON jobs.id = unhex(change.value ->> 'id')
WHERE jobs.unique_key IS NOT NULL
  AND jobs.state = change.value ->> 'seen_state'
  AND jobs.attempt = change.value ->> 'seen_attempt'
  AND jobs.cancel_requested = change.value ->> 'seen_cancel_requested'
  AND (?2 IS NULL OR jobs.tenant = ?2)
ORDER BY jobs.id
