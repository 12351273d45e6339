-- Writes how a look-up field stands, and up to which key it was gone through.
INSERT INTO record_fields (tenant, collection, field, state, walked)
VALUES (?1, ?2, ?3, ?4, ?5)
ON CONFLICT (tenant, collection, field) DO UPDATE
SET state = excluded.state, walked = excluded.walked
