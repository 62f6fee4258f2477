-- Promises that the cluster has the four roles which the rights of this schema hang on. Nobody logs
-- in as one of them: a login is made a member.
--
-- Roles belong to the cluster and not to a database: one that is here already is shared, and two
-- databases may be migrated at once. Whoever migrates needs CREATEROLE, or an administrator who
-- runs what the error says.

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
            -- Another database of the cluster made it a moment ago.
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
