-- Keeps new jobs; one whose id is there already was kept by an insert whose answer was lost.
INSERT INTO jobs (id, tenant, queue, kind, contract_version, state, priority, max_attempts, created_at_ms, run_at_ms, deadline_at_ms, payload, tags, unique_key)
SELECT
    unhex(value ->> 'id'),
    value ->> 'tenant',
    value ->> 'queue',
    value ->> 'kind',
    value ->> 'contract_version',
    value ->> 'state',
    value ->> 'priority',
    value ->> 'max_attempts',
    value ->> 'created_at_ms',
    value ->> 'run_at_ms',
    value ->> 'deadline_at_ms',
    value ->> 'payload',
    value ->> 'tags',
    value ->> 'unique_key'
FROM json_each(?1)
WHERE true
ON CONFLICT (id) DO NOTHING
RETURNING id
