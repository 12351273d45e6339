-- Keeps templates of a connection whose sync is held.
INSERT INTO approved_templates (connection, name, language, status, facts)
SELECT $1, name, language, status, facts
FROM unnest($2::text[], $3::text[], $4::text[], $5::text[]) AS template (name, language, status, facts)
