-- What the user who has connected may do, whoever it acts as at the moment. $1: the roles in question.
-- What a role may do that it may act as, it may do itself.
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
        ORDER BY 1
    ) AS powers,
    ARRAY(
        SELECT wanted
        FROM unnest($1) WITH ORDINALITY AS roles (wanted, position)
        JOIN acted_as ON acted_as.rolname = wanted
        ORDER BY position
    ) AS roles
FROM login
