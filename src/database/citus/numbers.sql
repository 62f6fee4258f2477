-- The last number that the sequence $1 has given on any node; 0 if none.
SELECT coalesce(pg_catalog.max(result::bigint), 0) AS number
FROM pg_catalog.run_command_on_all_nodes(pg_catalog.format(
    'SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM %s', $1
))
