-- Makes the index of a generation's vectors; nobody waits for it. With more neighbours than usual (16 and 64): texts that are alike in many
-- documents are islands otherwise, which a walk does not reach.
CREATE INDEX CONCURRENTLY chunks_near_{generation}
ON windrow_search.chunks
USING hnsw ((embedding::{type}({dimension})) {type}_cosine_ops) WITH (m = 24, ef_construction = 200)
WHERE generation = {generation}
