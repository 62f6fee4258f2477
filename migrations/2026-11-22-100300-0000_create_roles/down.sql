-- Promises that no role of up.sql is left that nobody else uses. One that another database of the
-- cluster has granted something to stays, and so does one that a login was made a member of: what an
-- administrator has granted is not ours to take away.

DO $$
DECLARE
    role text;
BEGIN
    FOR role IN
        SELECT rolname
        FROM pg_roles
        WHERE rolname IN (
            'blotter_ledger', 'blotter_trader', 'blotter_engine', 'blotter_compliance'
        )
        AND NOT EXISTS (
            SELECT FROM pg_shdepend
            WHERE refclassid = 'pg_authid'::regclass AND refobjid = pg_roles.oid
        )
        AND NOT EXISTS (
            SELECT FROM pg_auth_members
            WHERE roleid = pg_roles.oid AND member <> (SELECT oid FROM pg_roles AS me WHERE me.rolname = current_user)
        )
    LOOP
        BEGIN
            EXECUTE format('DROP ROLE %I', role);
        EXCEPTION
            -- It was made by somebody else, or another database has come to use it just now.
            WHEN insufficient_privilege OR dependent_objects_still_exist OR undefined_object THEN
                NULL;
        END;
    END LOOP;
END
$$;
