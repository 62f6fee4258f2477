-- What the user who has connected may do, whoever it acts as at the moment. $1: the roles in question; $2: the desk
-- that the connection is in.
-- What a role may do that it may act as, it may do itself. Polymorphic functions are called by their qualified names, so that
-- none that was planted in the schema of the tables runs as whoever asks.
WITH login AS (
    SELECT * FROM pg_roles WHERE rolname = session_user
),
acted_as AS (
    -- From PostgreSQL 16 on one may be a member of a role without the right to act as it.
    SELECT role.*
    FROM login, pg_roles AS role
    WHERE CASE
        WHEN current_setting('server_version_num')::integer < 160000
        THEN pg_has_role(login.oid, role.oid, 'MEMBER')
        ELSE pg_has_role(login.oid, role.oid, 'SET')
    END
),
-- What ALTER ROLE … SET and ALTER DATABASE … SET have set for the sessions of this login.
settings AS (
    SELECT
        CASE
            WHEN setrole = 0::oid AND setdatabase = 0::oid THEN 'ALTER ROLE ALL'
            WHEN setrole = 0::oid THEN 'ALTER DATABASE ' || quote_ident(current_database())
            WHEN setdatabase = 0::oid THEN 'ALTER ROLE ' || quote_ident(login.rolname)
            ELSE 'ALTER ROLE ' || quote_ident(login.rolname) || ' IN DATABASE ' || quote_ident(current_database())
        END AS command,
        lower(split_part(setting, '=', 1)) AS name,
        substr(setting, strpos(setting, '=') + 1) AS value
    FROM login, pg_db_role_setting, pg_catalog.unnest(setconfig) AS setting
    WHERE (setrole = 0::oid OR setrole = login.oid)
        AND (setdatabase = 0::oid OR setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database()))
),
-- The first existing schema of each such search path, PostgreSQL's own aside.
first_of_path AS (
    SELECT DISTINCT ON (s.value) s.value, n.oid
    FROM login, settings AS s,
        LATERAL pg_catalog.regexp_matches(s.value, '"((?:[^"]|"")+)"|([^\s,"]+)', 'g')
            WITH ORDINALITY AS entry (part, position),
        pg_namespace AS n
    WHERE s.name = 'search_path' AND n.nspname <> 'pg_catalog'
        AND n.nspname::text = CASE
            WHEN coalesce(part[1], part[2]) = '$user' THEN login.rolname::text
            ELSE coalesce(replace(part[1], '""', '"'), part[2])
        END
    ORDER BY s.value, entry.position
)
SELECT
    quote_ident(rolname) AS name,
    EXISTS (SELECT FROM acted_as WHERE rolsuper) AS superuser,
    EXISTS (SELECT FROM acted_as WHERE rolbypassrls) AS bypasses_row_security,
    EXISTS (
        SELECT FROM pg_class JOIN acted_as ON acted_as.oid = relowner
        WHERE pg_class.oid = to_regclass('orders')
    ) AS owns_tables,
    ARRAY(
        SELECT 'CREATEROLE' WHERE EXISTS (SELECT FROM acted_as WHERE rolcreaterole)
        UNION ALL
        SELECT 'REPLICATION' WHERE EXISTS (SELECT FROM acted_as WHERE rolreplication)
        UNION ALL
        SELECT rolname::text FROM acted_as
        WHERE rolname IN (
            'pg_execute_server_program', 'pg_read_all_data', 'pg_read_server_files',
            'pg_write_all_data', 'pg_write_server_files'
        )
        UNION ALL
        -- In a desk: the shared roles that the login holds without the role of this desk, by one of another desk. The
        -- tables grant their privileges to these.
        SELECT rolname::text FROM acted_as
        WHERE rolname IN ('blotter_trader', 'blotter_engine', 'blotter_compliance', 'blotter_auditor')
            AND replace(rolname::text, 'blotter_', 'blotter_' || $2 || '_') NOT IN (SELECT rolname::text FROM acted_as)
        ORDER BY 1
    ) AS powers,
    $2 AS desk,
    ARRAY(
        SELECT wanted
        FROM pg_catalog.unnest($1) WITH ORDINALITY AS roles (wanted, position)
        JOIN acted_as ON acted_as.rolname = wanted
        ORDER BY position
    ) AS roles,
    ARRAY(
        SELECT command || ' SET ' || settings.name || ' = ' || settings.value
        FROM settings
        WHERE (settings.name, settings.value) NOT IN (
            ('session_replication_role', 'origin'), ('row_security', 'on'), ('event_triggers', 'on'),
            ('default_transaction_isolation', 'read committed'), ('default_transaction_read_only', 'off'),
            ('default_transaction_deferrable', 'off'), ('role', 'none')
        )
            AND (
                settings.name IN (
                    'app.user_id', 'default_transaction_deferrable', 'default_transaction_isolation',
                    'default_transaction_read_only', 'event_triggers', 'role', 'row_security',
                    'session_authorization', 'session_replication_role'
                )
                OR (settings.name = 'search_path' AND (
                    SELECT relnamespace FROM pg_class WHERE oid = to_regclass('orders')::oid
                ) <> (SELECT f.oid FROM first_of_path AS f WHERE f.value = settings.value))
            )
        ORDER BY 1
    ) AS settings,
    ARRAY(
        SELECT pg_settings.name FROM pg_settings
        WHERE pg_settings.name IN ('idle_in_transaction_session_timeout', 'lock_timeout') AND reset_val = '0'
        ORDER BY 1
    ) AS missing_timeouts
FROM login
