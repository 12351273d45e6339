-- How many keys that are not deleted a sync remembers, and how many of them a run has not seen.
SELECT count(*) AS live, count(*) FILTER (WHERE seen <> $3) AS unseen
FROM sync_items
WHERE sync = $2
  AND NOT is_deleted
  AND EXISTS (SELECT FROM syncs WHERE id = $2 AND tenant = $1)
