-- Takes a leadership that is free or ours. The epoch grows with each change of holder.
INSERT INTO leaders (name, holder, epoch, expires_at_ms)
VALUES (?1, ?2, 1, ?3 + ?4)
ON CONFLICT (name) DO UPDATE SET
    epoch = epoch + (holder <> excluded.holder),
    holder = excluded.holder,
    expires_at_ms = excluded.expires_at_ms
WHERE holder = excluded.holder OR expires_at_ms <= ?3
RETURNING epoch
