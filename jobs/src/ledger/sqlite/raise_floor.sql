-- Notes that a record of this version is gone.
INSERT INTO record_floors (tenant, collection, version)
VALUES (?1, ?2, ?3)
ON CONFLICT (tenant, collection) DO UPDATE
SET version = max(version, excluded.version)
