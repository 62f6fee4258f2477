-- The transaction id that is to be given next, and on a standby the oldest one in progress, by what it has replayed.
-- age() counts from the next id, which it reads after the snapshot of this statement was taken.
SELECT
    xmin::text::bigint + pg_catalog.age(xmin::xid) AS next_id,
    CASE WHEN pg_catalog.pg_is_in_recovery() THEN xmin::text::bigint END AS oldest_on_standby
FROM pg_catalog.pg_snapshot_xmin(pg_catalog.pg_current_snapshot()) AS xmin
