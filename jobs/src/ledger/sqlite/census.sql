-- How many keys that are not deleted a sync remembers, and how many of them a run has not seen.
SELECT count(*) AS live, coalesce(sum(seen <> ?3), 0) AS unseen
FROM sync_items
WHERE sync = ?2
  AND is_deleted = 0
  AND EXISTS (SELECT 1 FROM syncs WHERE id = ?2 AND tenant = ?1)
