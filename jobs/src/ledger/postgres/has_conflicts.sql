-- Whether a sync has conflicts.
SELECT EXISTS (SELECT 1 FROM sync_conflicts WHERE sync = $1)
