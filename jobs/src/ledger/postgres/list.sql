-- A tenant's jobs, newest first, and how many there are within one more than the page's size; of these only those before
-- which payloads and results have at most so many bytes. (The length of a text that is stored apart is known without it.)
WITH fitting AS (
    SELECT *, octet_length(payload) + coalesce(octet_length(result), 0) AS bytes
    FROM jobs
    WHERE tenant = $1
      AND ($2::uuid IS NULL OR id < $2)
      AND ($3::text IS NULL OR kind = $3)
      AND ($4::text IS NULL OR queue = $4)
      AND ($5::smallint IS NULL OR state = $5)
      AND ($6::text IS NULL OR $6 IN (SELECT json_array_elements_text(tags::json)))
      AND ($7::bigint IS NULL OR created_at_ms >= $7)
      AND ($8::bigint IS NULL OR created_at_ms < $8)
    ORDER BY id DESC
    LIMIT $9 + 1
), sized AS (
    SELECT *,
        count(*) OVER () AS found,
        sum(bytes) OVER (ORDER BY id DESC) - bytes AS bytes_before
    FROM fitting
)
SELECT *
FROM sized
WHERE bytes_before <= $10
ORDER BY id DESC
LIMIT $9
