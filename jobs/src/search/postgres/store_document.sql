-- Writes a document of a generation whose index is held.
INSERT INTO windrow_search.documents (generation, document_id, version, title, metadata, chunks, words, written_at_ms)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
ON CONFLICT (generation, document_id) DO UPDATE
SET version = excluded.version,
    title = excluded.title,
    metadata = excluded.metadata,
    chunks = excluded.chunks,
    words = excluded.words,
    written_at_ms = excluded.written_at_ms
RETURNING id
