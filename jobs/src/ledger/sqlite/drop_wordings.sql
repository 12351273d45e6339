-- Deletes the versions of a template's words up to this one; its head is held.
DELETE FROM wordings
WHERE tenant = ?1
  AND name = ?2
  AND locale = ?3
  AND version <= ?4
