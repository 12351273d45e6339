-- Keeps templates of a connection whose sync is held.
INSERT INTO approved_templates (connection, name, language, status, facts, as_of_ms)
SELECT $1, name, language, status, facts, $6
FROM unnest($2::text[], $3::text[], $4::text[], $5::text[]) AS template (name, language, status, facts)
