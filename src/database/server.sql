-- The connection. A standby that has replayed all that it has received lags by nothing, however long ago the last
-- commit was.
SELECT
    pg_catalog.clock_timestamp() AS at,
    pg_catalog.current_setting('server_version') AS version,
    pg_catalog.current_database()::text AS database,
    session_user::text AS login,
    pg_catalog.current_setting('role') AS role,
    pg_catalog.host(pg_catalog.inet_server_addr()) AS address,
    pg_catalog.inet_server_port() AS port,
    pg_catalog.pg_is_in_recovery() AS is_standby,
    CASE
        WHEN NOT pg_catalog.pg_is_in_recovery() THEN NULL
        WHEN pg_catalog.pg_last_wal_receive_lsn() = pg_catalog.pg_last_wal_replay_lsn() THEN 0
        ELSE extract(epoch FROM pg_catalog.clock_timestamp() - pg_catalog.pg_last_xact_replay_timestamp())
    END::double precision AS replay_lag_seconds
