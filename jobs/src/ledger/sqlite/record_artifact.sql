-- Records a file that a running attempt made; of an attempt that is over, nothing.
INSERT INTO artifacts (job_id, name, attempt, bytes, sha256, media_type, object_key)
SELECT id, ?3, attempt, ?4, ?5, ?6, ?7
FROM jobs
WHERE id = ?1
  AND attempt = ?2
  AND state = 2
ON CONFLICT (job_id, name) DO UPDATE SET
    attempt = excluded.attempt,
    bytes = excluded.bytes,
    sha256 = excluded.sha256,
    media_type = excluded.media_type,
    object_key = excluded.object_key
