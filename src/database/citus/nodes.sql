-- Returns the command that gives a node what Citus does not copy with the schema $1 of the desk with the roles $2: the
-- functions that no trigger names, who may execute functions, memberships of the roles, the comments, and a sequence
-- that begins at 1. Idempotent.
--
-- Only pg_catalog may be on the search path when this runs: then every other name in the command is qualified.
WITH home AS (
    SELECT oid FROM pg_namespace WHERE nspname = $1
),
functions AS (
    SELECT p.oid, p.oid::regprocedure::text AS name, p.proowner, p.proacl FROM pg_proc p JOIN home ON home.oid = pronamespace
),
tables AS (
    SELECT c.oid, c.oid::regclass::text AS name, c.relkind FROM pg_class c JOIN home ON home.oid = relnamespace
    WHERE c.relkind IN ('r', 'S')
),
-- Whoever owns the tables. It may execute no function of another owner, though it was lent them for a move.
owner AS (
    SELECT relowner AS oid FROM pg_class JOIN home ON home.oid = relnamespace WHERE relname = 'orders'
),
statements (step, statement) AS (
    SELECT 1, pg_get_functiondef(oid) FROM functions
    UNION ALL
    SELECT 2, format('ALTER ROUTINE %s OWNER TO %I', name, pg_get_userbyid(proowner)) FROM functions
    UNION ALL
    SELECT 3, format('REVOKE ALL ON ROUTINE %s FROM PUBLIC, %I', name, pg_get_userbyid(owner.oid))
    FROM functions, owner WHERE proacl IS NOT NULL
    UNION ALL
    SELECT 4, format(
        'GRANT EXECUTE ON ROUTINE %s TO %s', name,
        CASE grantee WHEN 0::oid THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END
    )
    FROM functions, aclexplode(proacl), owner
    WHERE grantee <> owner.oid OR proowner = owner.oid
    UNION ALL
    SELECT 5, format('GRANT %I TO %I', pg_get_userbyid(roleid), pg_get_userbyid(member))
    FROM pg_auth_members
    WHERE member IN (
        SELECT oid FROM pg_roles WHERE rolname = ANY ($2)
    )
    UNION ALL
    SELECT 6, format('COMMENT ON %s %s IS %L', CASE relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END, name, description)
    FROM tables JOIN pg_description ON objoid = oid AND classoid = 'pg_class'::regclass AND objsubid = 0
    UNION ALL
    SELECT 6, format('COMMENT ON COLUMN %s.%I IS %L', name, attname, description)
    FROM tables
    JOIN pg_description ON objoid = oid AND classoid = 'pg_class'::regclass
    JOIN pg_attribute ON attrelid = oid AND attnum = objsubid
    UNION ALL
    SELECT 6, format('COMMENT ON ROUTINE %s IS %L', name, description)
    FROM functions JOIN pg_description ON objoid = oid AND classoid = 'pg_proc'::regclass
    UNION ALL
    SELECT 6, format('COMMENT ON TYPE %s IS %L', t.oid::regtype, description)
    FROM pg_type t JOIN home ON home.oid = typnamespace
    JOIN pg_description ON objoid = t.oid AND classoid = 'pg_type'::regclass
)
SELECT format('DO %L', concat(
    $do$
    BEGIN
        -- The coordinator is not to pass these on to the nodes, each of which gets this command.
        PERFORM set_config('citus.enable_ddl_propagation', 'off', true);
        -- A function may name one that comes later.
        PERFORM set_config('check_function_bodies', 'off', true);
        PERFORM set_config('search_path', 'pg_catalog, pg_temp', true);
    $do$,
    string_agg(format('EXECUTE %L;', statement), E'\n' ORDER BY step, statement),
    format($do$
        -- Citus gives each node numbers of its own.
        PERFORM FROM pg_sequence WHERE seqrelid = to_regclass(%1$L) AND seqmin <> 1;
        IF FOUND THEN
            EXECUTE 'ALTER SEQUENCE %1$s MINVALUE 1 MAXVALUE 9223372036854775807 START 1 RESTART 1';
        END IF;
    END
    $do$, (SELECT name FROM tables WHERE relkind = 'S'))
)) AS command
FROM statements
