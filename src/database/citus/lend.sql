-- Returns the command that lets the owner $2 of the tables execute every function of the schema $1, on one node alone.
SELECT pg_catalog.format('DO %L', pg_catalog.format(
    $do$
    BEGIN
        PERFORM pg_catalog.set_config('citus.enable_ddl_propagation', 'off', true);
        EXECUTE %L;
    END
    $do$, pg_catalog.format('GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA %I TO %I', $1, $2)
)) AS command
