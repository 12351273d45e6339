-- Takes hold of how many bytes of translations a tenant has.
INSERT INTO translation_rooms (tenant, bytes)
VALUES ($1, 0)
ON CONFLICT (tenant) DO UPDATE SET bytes = translation_rooms.bytes
RETURNING bytes
