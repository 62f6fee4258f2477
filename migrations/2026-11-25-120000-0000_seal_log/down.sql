-- Drops what up.sql created. Every seal in the database is lost; checkpoint files are not touched. The role
-- stays if another database of the cluster uses it, or if a login is a member of it.

DROP TABLE seals;
DROP POLICY break_resolutions_auditor_reads ON break_resolutions;
DROP POLICY breaks_auditor_reads ON breaks;
DROP POLICY execution_logs_auditor_reads ON execution_logs;
DROP POLICY fills_auditor_reads ON fills;
DROP POLICY orders_auditor_reads ON orders;
REVOKE ALL ON orders, fills, execution_logs, breaks, break_resolutions FROM blotter_auditor;

DO $$
BEGIN
    EXECUTE format('REVOKE USAGE ON SCHEMA %I FROM blotter_auditor', current_schema());
    IF to_regclass('__diesel_schema_migrations') IS NOT NULL THEN
        REVOKE ALL ON __diesel_schema_migrations FROM blotter_auditor;
    END IF;
    PERFORM FROM pg_roles
    WHERE rolname = 'blotter_auditor'
        AND NOT EXISTS (
            SELECT FROM pg_shdepend
            WHERE refclassid = 'pg_authid'::regclass AND refobjid = pg_roles.oid
        )
        AND NOT EXISTS (
            SELECT FROM pg_auth_members
            WHERE roleid = pg_roles.oid
                AND member <> (SELECT oid FROM pg_roles AS me WHERE me.rolname = current_user)
        );
    IF FOUND THEN
        BEGIN
            DROP ROLE blotter_auditor;
        EXCEPTION
            -- Somebody else created the role, or another database has just begun to use it: it stays.
            WHEN insufficient_privilege OR dependent_objects_still_exist OR undefined_object THEN
                NULL;
        END;
    END IF;
END
$$;
