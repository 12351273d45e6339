-- Records of these keys, as far as a decision looks at them, held in one order by everybody. Each is found by its key: for an order the planner
-- would read the collection through.
SELECT standing.key, standing.version, standing.hash, standing.updated_at_ms, standing.is_deleted
FROM (SELECT key FROM unnest($3::text[]) AS given (key) ORDER BY key) AS wanted
CROSS JOIN LATERAL (
    SELECT records.key, version, hash, updated_at_ms, deleted_at_ms IS NOT NULL AS is_deleted
    FROM records
    WHERE tenant = $1
      AND collection = $2
      AND records.key = wanted.key
    FOR UPDATE
) AS standing
