-- Keeps a template of a connection whose sync is held.
INSERT INTO approved_templates (connection, name, language, status, facts, as_of_ms)
VALUES (?1, ?2, ?3, ?4, ?5, ?6)
