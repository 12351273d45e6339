-- A connection after a change; its row is held. Its use is noted apart.
UPDATE connections
SET version = ?2, facts = ?3, sealed_by = ?4, sealed = ?5, updated_at_ms = ?6, tested_at_ms = ?7, erred_at_ms = ?8
WHERE id = ?1
