-- A tenant's jobs, newest first, and how many there are within one more than the page's size; of these only those before
-- which payloads and results have at most so many bytes. The texts themselves are read last, of those jobs only.
WITH fitting AS (
    SELECT id, octet_length(payload) + coalesce(octet_length(result), 0) AS bytes
    FROM jobs
    WHERE tenant = ?1
      AND (?2 IS NULL OR id < ?2)
      AND (?3 IS NULL OR kind = ?3)
      AND (?4 IS NULL OR queue = ?4)
      AND (?5 IS NULL OR state = ?5)
      AND (?6 IS NULL OR EXISTS (SELECT 1 FROM json_each(tags) WHERE value = ?6))
      AND (?7 IS NULL OR created_at_ms >= ?7)
      AND (?8 IS NULL OR created_at_ms < ?8)
    ORDER BY id DESC
    LIMIT ?9 + 1
), sized AS (
    SELECT id,
        count(*) OVER () AS found,
        sum(bytes) OVER (ORDER BY id DESC) - bytes AS bytes_before
    FROM fitting
)
SELECT jobs.*, sized.found
FROM sized
JOIN jobs ON jobs.id = sized.id
WHERE bytes_before <= ?10
ORDER BY sized.id DESC
LIMIT ?9
