-- Promises that the five roles to which this schema grants its privileges exist. They are NOLOGIN roles:
-- logins become members of them.
--
-- Roles belong to the cluster, not to one database: existing roles are shared, and two databases may be
-- migrated at once. The migrating login needs CREATEROLE; otherwise the error says what an administrator
-- must run.
--
-- Also promises later migrations one way to create and change functions of blotter_ledger: for one transaction
-- the migrating login becomes a member of it, and it gets CREATE on this schema; both are then revoked. The
-- procedures add no privileges: their caller must be able to grant what they grant.
--
-- Also promises that no down.sql discards records unasked, and that PUBLIC may not create objects in this schema: an
-- operator or function there that fits the types better than PostgreSQL's own would be called by the functions of
-- blotter_ledger. Before PostgreSQL 15 the schema public grants CREATE to PUBLIC.

DO $$
DECLARE
    roles CONSTANT text[] := ARRAY[
        ['blotter_ledger', 'tradeblotter: derives orders from their fills and actions'],
        ['blotter_trader', 'tradeblotter: sees and submits its own orders'],
        ['blotter_engine', 'tradeblotter: routes orders, records fills and actions'],
        ['blotter_compliance', 'tradeblotter: reads everything, writes nothing'],
        ['blotter_auditor', 'tradeblotter: reads what is recorded, seals the log']
    ];
    role text[];
BEGIN
    FOREACH role SLICE 1 IN ARRAY roles LOOP
        CONTINUE WHEN to_regrole(role[1]) IS NOT NULL;
        BEGIN
            EXECUTE format('CREATE ROLE %I NOLOGIN', role[1]);
            EXECUTE format('COMMENT ON ROLE %I IS %L', role[1], role[2]);
        EXCEPTION
            -- Race: a migration of another database in the cluster has just created the role.
            WHEN duplicate_object OR unique_violation THEN NULL;
        END;
    END LOOP;
EXCEPTION
    WHEN insufficient_privilege THEN
        RAISE EXCEPTION E'the role % is missing and % may not create it. As an administrator run:\n%'
            '  GRANT blotter_ledger TO %;\n'
            'then migrate again, and afterwards REVOKE blotter_ledger FROM %;',
            role[1], quote_ident(current_user),
            (
                SELECT string_agg(format(E'  CREATE ROLE %s NOLOGIN;\n', missing), '')
                FROM unnest(roles[:][1:1]) AS missing
                WHERE to_regrole(missing) IS NULL
            ),
            quote_ident(current_user), quote_ident(current_user)
            USING ERRCODE = 'insufficient_privilege';
END
$$;

-- Makes the migrating login a member of blotter_ledger. Until blotter_settle_ledger is called, in the same
-- transaction, functions of blotter_ledger can be replaced and dropped.
CREATE PROCEDURE blotter_lend_ledger() LANGUAGE plpgsql AS $$
DECLARE
    here CONSTANT regnamespace := (
        SELECT pronamespace FROM pg_proc WHERE oid = 'blotter_lend_ledger'::regproc
    );
    lent text := '';
BEGIN
    IF NOT (
        CASE
            WHEN current_setting('server_version_num')::integer < 160000
            THEN pg_has_role('blotter_ledger', 'MEMBER')
            ELSE pg_has_role('blotter_ledger', 'SET') AND pg_has_role('blotter_ledger', 'USAGE')
        END
    ) THEN
        EXECUTE format('GRANT blotter_ledger TO %I', current_user);
        lent := 'membership ';
    END IF;
    IF NOT has_schema_privilege('blotter_ledger', here, 'CREATE') THEN
        EXECUTE format('GRANT CREATE ON SCHEMA %s TO blotter_ledger', here);
        lent := lent || 'schema';
    END IF;
    PERFORM set_config('blotter.lent', lent, true);
EXCEPTION
    WHEN insufficient_privilege THEN
        RAISE EXCEPTION E'% may not make or change functions of blotter_ledger (%). As an administrator '
            'run:\n  GRANT blotter_ledger TO %;\n%'
            'then migrate again, and afterwards REVOKE what you have granted.',
            quote_ident(current_user), SQLERRM, quote_ident(current_user),
            CASE
                WHEN has_schema_privilege(here, 'CREATE WITH GRANT OPTION') THEN ''
                ELSE format(E'  GRANT USAGE, CREATE ON SCHEMA %s TO blotter_ledger;\n', here)
            END
            USING ERRCODE = 'insufficient_privilege';
END
$$;

-- Makes blotter_ledger the owner of these functions, gives those that run for a caller a search path on which
-- no object of a caller comes first, and revokes what blotter_lend_ledger granted.
--
-- The path names this schema alone, so pg_catalog is searched before it: for a session whose path leads to the
-- same schema it is the same path, and PostgreSQL keeps the plans of its foreign-key checks; between two
-- different paths it plans them again at every change. These functions also plan without sequential scans: a
-- plan made while a table is empty would read the whole table once it has grown. A function that only these
-- functions call has no settings of its own, which would cost each call.
CREATE PROCEDURE blotter_settle_ledger(VARIADIC functions text[]) LANGUAGE plpgsql AS $$
DECLARE
    here CONSTANT regnamespace := (
        SELECT pronamespace FROM pg_proc WHERE oid = 'blotter_settle_ledger'::regproc
    );
    lent CONSTANT text := current_setting('blotter.lent');
    function regprocedure;
BEGIN
    FOR function IN
        SELECT oid FROM pg_proc WHERE pronamespace = here AND proname = ANY (functions)
    LOOP
        PERFORM FROM pg_proc WHERE oid = function AND (prosecdef OR prorettype = 'trigger'::regtype);
        IF FOUND THEN
            EXECUTE format('ALTER FUNCTION %s SET search_path = %s, pg_temp', function, here);
            EXECUTE format('ALTER FUNCTION %s SET enable_seqscan = off', function);
        END IF;
        -- An immutable function reads nothing and writes nothing.
        PERFORM FROM pg_proc WHERE oid = function AND provolatile = 'i';
        IF NOT FOUND THEN
            EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', function);
        END IF;
        EXECUTE format('ALTER FUNCTION %s OWNER TO blotter_ledger', function);
    END LOOP;
    IF lent LIKE '%schema%' THEN
        EXECUTE format('REVOKE CREATE ON SCHEMA %s FROM blotter_ledger', here);
    END IF;
    IF lent LIKE '%membership%' THEN
        EXECUTE format('REVOKE blotter_ledger FROM %I', current_user);
    END IF;
    PERFORM set_config('blotter.lent', '', true);
END
$$;

-- Refuses to revert while there are log entries, breaks or archives, because that would discard records or what protects
-- them. Each down.sql calls it first. The setting `blotter.discard_records` = on permits the revert.
CREATE PROCEDURE blotter_permit_revert() LANGUAGE plpgsql AS $$
DECLARE
    records regclass;
    is_forced boolean;
    has_rows boolean;
BEGIN
    IF coalesce(current_setting('blotter.discard_records', true), '') = 'on' THEN
        RETURN;
    END IF;
    FOREACH records IN ARRAY ARRAY[
        to_regclass('execution_logs'), to_regclass('breaks'), to_regclass('archives')
    ] LOOP
        CONTINUE WHEN records IS NULL;
        SELECT relforcerowsecurity INTO STRICT is_forced FROM pg_class WHERE oid = records;
        -- FORCE would hide the rows from the owner.
        EXECUTE format('ALTER TABLE %s NO FORCE ROW LEVEL SECURITY', records);
        EXECUTE format('SELECT EXISTS (SELECT FROM %s)', records) INTO STRICT has_rows;
        IF is_forced THEN
            EXECUTE format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', records);
        END IF;
        IF has_rows THEN
            RAISE EXCEPTION 'the table % has rows, and reverting this migration would discard records or what '
                'protects them; to do so all the same, set blotter.discard_records to on '
                '(blotter migrate revert --discard-records, or PGOPTIONS="-c blotter.discard_records=on")',
                records
                USING ERRCODE = 'object_not_in_prerequisite_state';
        END IF;
    END LOOP;
END
$$;

DO $$
DECLARE
    procedure regprocedure;
BEGIN
    FOREACH procedure IN ARRAY ARRAY[
        'blotter_lend_ledger()'::regprocedure, 'blotter_settle_ledger(text[])'::regprocedure,
        'blotter_permit_revert()'::regprocedure
    ]
    LOOP
        EXECUTE format(
            'ALTER PROCEDURE %s SET search_path = %I, pg_temp',
            procedure, current_schema()
        );
        EXECUTE format('REVOKE EXECUTE ON PROCEDURE %s FROM PUBLIC', procedure);
    END LOOP;
END
$$;

-- Revokes CREATE on this schema from PUBLIC. The comment on a procedure tells down.sql to grant it again.
DO $$
DECLARE
    here CONSTANT regnamespace := quote_ident(current_schema())::regnamespace;
BEGIN
    IF NOT has_schema_privilege('public', here, 'CREATE') THEN
        RETURN;
    END IF;
    IF pg_has_role((SELECT nspowner FROM pg_namespace WHERE oid = here), 'USAGE') THEN
        EXECUTE format('REVOKE CREATE ON SCHEMA %s FROM PUBLIC', here);
    END IF;
    IF has_schema_privilege('public', here, 'CREATE') THEN
        RAISE EXCEPTION E'every role may create objects in the schema %, and functions of this schema could be made '
            'to call them; % does not own the schema and may not revoke that. As an administrator run:\n'
            '  REVOKE CREATE ON SCHEMA % FROM PUBLIC;\n'
            '  GRANT USAGE, CREATE ON SCHEMA % TO % WITH GRANT OPTION;\n'
            'then migrate again. Grant CREATE to other roles that need it one by one.',
            here, quote_ident(current_user), here, here, quote_ident(current_user)
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    COMMENT ON PROCEDURE blotter_permit_revert() IS 'CREATE on the schema was granted to PUBLIC before';
END
$$;
