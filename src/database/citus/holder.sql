-- The node that holds the table $1 in its only shard, and whether this session is on it. No row if the table is not
-- distributed. The desk's schema is on the search path: the casts leave no operator of its owner that fits better than
-- PostgreSQL's own.
SELECT n.nodename AS host, n.nodeport AS port,
    n.groupid = (SELECT groupid FROM pg_catalog.pg_dist_local_group) AS is_here
FROM pg_catalog.pg_dist_shard AS s
JOIN pg_catalog.pg_dist_placement AS p ON p.shardid = s.shardid
JOIN pg_catalog.pg_dist_node AS n ON n.groupid = p.groupid AND n.noderole::text = 'primary'
WHERE s.logicalrelid::oid = to_regclass($1)::oid
