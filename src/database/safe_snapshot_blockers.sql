-- The transactions that keep the sessions of this login from a safe snapshot of this database. PostgreSQL shows
-- process, login and database of every session, and the rest (NULL otherwise) to members of pg_read_all_stats and
-- to the login itself.
SELECT
    pid,
    activity.usename::text AS login,
    activity.datname::text AS database,
    activity.xact_start AS since,
    activity.state
FROM (
    SELECT DISTINCT unnest(pg_catalog.pg_safe_snapshot_blocking_pids(waiting.pid)) AS pid
    FROM pg_catalog.pg_stat_activity AS waiting
    WHERE waiting.usename = session_user
        AND waiting.datname = pg_catalog.current_database()
        AND waiting.wait_event = 'SafeSnapshot'
) AS blocking
LEFT JOIN pg_catalog.pg_stat_activity AS activity USING (pid)
ORDER BY pid
