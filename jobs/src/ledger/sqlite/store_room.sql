-- Writes how many bytes of translations a tenant has, whose row is held.
UPDATE translation_rooms
SET bytes = ?2
WHERE tenant = ?1
