-- The shards of the tables $1 of the search path, each with its number.
SELECT wanted.name AS "table", s.shardid AS number
FROM pg_catalog.unnest($1) AS wanted (name)
JOIN pg_catalog.pg_dist_shard AS s ON s.logicalrelid::oid = to_regclass(wanted.name)::oid
