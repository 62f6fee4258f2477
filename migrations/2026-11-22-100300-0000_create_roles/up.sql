-- Promises that the four roles to which this schema grants its privileges exist. They are NOLOGIN roles:
-- logins become members of them.
--
-- Roles belong to the cluster, not to one database: existing roles are shared, and two databases may be
-- migrated at once. The migrating login needs CREATEROLE; otherwise the error says what an administrator
-- must run.

DO $$
DECLARE
    roles CONSTANT text[] := ARRAY[
        ['blotter_ledger', 'tradeblotter: derives orders from their fills and actions'],
        ['blotter_trader', 'tradeblotter: sees and submits its own orders'],
        ['blotter_engine', 'tradeblotter: routes orders, records fills and actions'],
        ['blotter_compliance', 'tradeblotter: reads everything, writes nothing']
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
