-- The node that holds the table $1 in its only shard, and whether this session is on it. No row if the table is not
-- distributed. The operators have operands of types that they are defined for, as this runs with the desk's schema on the
-- search path.
SELECT n.nodename AS host, n.nodeport AS port,
    n.groupid = (SELECT groupid FROM pg_catalog.pg_dist_local_group) AS is_here
FROM pg_catalog.pg_dist_shard AS s
JOIN pg_catalog.pg_dist_placement AS p ON p.shardid = s.shardid
JOIN pg_catalog.pg_dist_node AS n ON n.groupid = p.groupid AND n.noderole::text = 'primary'
WHERE s.logicalrelid::oid = to_regclass($1)::oid
