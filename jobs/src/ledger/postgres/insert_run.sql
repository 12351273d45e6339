-- Keeps a new run.
INSERT INTO sync_runs (sync, number, tenant, version, job_id, attempt, state, is_full, is_dry, counts, place, error, started_at_ms, finished_at_ms)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
