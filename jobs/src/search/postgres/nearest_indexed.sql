-- The chunks of a generation whose vectors are near, by the generation's own index of vectors. The index is walked until there are enough
-- that the filter wants, a little out of order: what it gives is sorted.
WITH found AS MATERIALIZED (
    SELECT id, document, n, embedding::{type}({dimension}) <=> $1::real[]::{type}({dimension}) AS distance
    FROM windrow_search.chunks
    WHERE generation = {generation}
      AND ($3::text IS NULL OR document IN (SELECT value::bigint FROM json_array_elements_text($3::json) AS each (value)))
    ORDER BY embedding::{type}({dimension}) <=> $1::real[]::{type}({dimension})
    LIMIT $2
)
SELECT found.id, d.document_id, found.n, found.distance
FROM found
JOIN windrow_search.documents AS d ON d.id = found.document
ORDER BY found.distance, found.id
