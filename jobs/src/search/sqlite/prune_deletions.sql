-- Forgets deletions of long ago.
DELETE FROM deletions
WHERE (index_id, document_id) IN (
    SELECT index_id, document_id
    FROM deletions
    WHERE deleted_at_ms < ?1
    ORDER BY deleted_at_ms
    LIMIT ?2
)
