-- Keeps new jobs; one whose id is there already was kept by an insert whose answer was lost. Counts what was
-- accepted in the same statement, from the rows that are really new.
WITH clock AS MATERIALIZED (
    SELECT coalesce($1::bigint, (extract(epoch FROM clock_timestamp()) * 1000)::bigint) AS now_ms
),
inserted AS (
    INSERT INTO jobs (id, tenant, queue, kind, contract_version, state, priority, max_attempts, created_at_ms, run_at_ms, deadline_at_ms, payload, tags)
    SELECT new.id, new.tenant, new.queue, new.kind, new.contract_version, new.state, new.priority, new.max_attempts, clock.now_ms,
        new.run_at_ms, new.deadline_at_ms, new.payload, new.tags
    FROM clock,
        unnest(
            $2::uuid[], $3::text[], $4::text[], $5::text[], $6::integer[], $7::smallint[], $8::smallint[], $9::integer[], $10::bigint[],
            $11::bigint[], $12::text[], $13::text[]
        ) AS new (id, tenant, queue, kind, contract_version, state, priority, max_attempts, run_at_ms, deadline_at_ms, payload, tags)
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
