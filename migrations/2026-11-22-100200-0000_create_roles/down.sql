-- Drops the procedures, and each role that up.sql created unless it is still in use: a role stays if another database of the
-- cluster grants it anything, or if an administrator made a login a member of it. Grants CREATE on the schema to PUBLIC again
-- if up.sql revoked it.

CALL blotter_permit_revert();

DO $$
BEGIN
    IF obj_description('blotter_permit_revert()'::regprocedure, 'pg_proc')
        = 'CREATE on the schema was granted to PUBLIC before'
    THEN
        EXECUTE format('GRANT CREATE ON SCHEMA %I TO PUBLIC', current_schema());
    END IF;
END
$$;

DROP PROCEDURE blotter_permit_revert();
DROP PROCEDURE blotter_settle_ledger(text[]);
DROP PROCEDURE blotter_lend_ledger();

DO $$
DECLARE
    role text;
BEGIN
    FOR role IN
        SELECT rolname
        FROM pg_roles
        WHERE rolname IN (
            'blotter_ledger', 'blotter_trader', 'blotter_engine', 'blotter_compliance', 'blotter_auditor'
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
            -- Somebody else created the role, or another database has just begun to use it: it stays.
            WHEN insufficient_privilege OR dependent_objects_still_exist OR undefined_object THEN
                NULL;
        END;
    END LOOP;
END
$$;
