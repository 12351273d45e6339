-- A tenant's jobs, newest first.
SELECT *
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
LIMIT $9
