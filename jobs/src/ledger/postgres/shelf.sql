-- What every version of these bundles of the tenant asks of others.
SELECT name, version, needs
FROM bundles
WHERE tenant = $1
  AND role = $2
  AND name = ANY (ARRAY(SELECT json_array_elements_text($3::json)))
