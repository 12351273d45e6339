-- Keeps new jobs; one whose id is there already was kept by an insert whose answer was lost. Counts what was
-- accepted in the same statement, from the rows that are really new.
WITH inserted AS (
    INSERT INTO jobs (id, tenant, queue, kind, contract_version, state, priority, max_attempts, created_at_ms, run_at_ms, deadline_at_ms, payload, tags, unique_key)
    SELECT *
    FROM unnest(
        $1::uuid[], $2::text[], $3::text[], $4::text[], $5::integer[], $6::smallint[], $7::smallint[], $8::integer[], $9::bigint[],
        $10::bigint[], $11::bigint[], $12::text[], $13::text[], $14::text[]
    )
    ON CONFLICT (id) DO NOTHING
    RETURNING id, tenant
),
accepted AS (
    INSERT INTO intake (tenant, accepted)
    SELECT tenant, count(*)
    FROM inserted
    GROUP BY tenant
)
SELECT id
FROM inserted
