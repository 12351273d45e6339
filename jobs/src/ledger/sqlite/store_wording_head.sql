-- The head of a template in a language after a change; it is held.
UPDATE wording_heads
SET version = ?4, is_live = ?5, created_at_ms = ?6, updated_at_ms = ?7
WHERE tenant = ?1
  AND name = ?2
  AND locale = ?3
