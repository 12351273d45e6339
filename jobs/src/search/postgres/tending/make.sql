-- Makes the index of a generation's vectors; nobody waits for it.
CREATE INDEX CONCURRENTLY chunks_near_{generation}
ON windrow_search.chunks
USING hnsw ((embedding::{type}({dimension})) {type}_cosine_ops)
WHERE generation = {generation}
