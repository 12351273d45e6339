-- A head without a version, unless there is one: whoever keeps words has a row to hold.
INSERT INTO wording_heads (tenant, name, locale, version, is_live, created_at_ms, updated_at_ms)
VALUES (?1, ?2, ?3, 0, FALSE, 0, 0)
ON CONFLICT DO NOTHING
