-- Remembers which job deleted documents of an index that is held: the latest.
INSERT INTO windrow_search.deletions (index_id, document_id, version, deleted_at_ms)
SELECT $1, value, $3, $4
FROM json_array_elements_text($2::json) AS each (value)
WHERE true
ON CONFLICT (index_id, document_id) DO UPDATE
SET version = excluded.version, deleted_at_ms = excluded.deleted_at_ms
WHERE deletions.version < excluded.version
