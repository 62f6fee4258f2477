-- Drops what up.sql created. Values already derived stay in the rows; from here on clients write them.
-- Also revokes USAGE on the schema from blotter_ledger, whoever granted it.

DROP POLICY execution_logs_ledger_logs ON execution_logs;
DROP POLICY orders_ledger_derives ON orders;
DROP POLICY orders_ledger_reads ON orders;

REVOKE ALL ON execution_logs FROM blotter_ledger;
REVOKE ALL ON orders FROM blotter_ledger;

DROP TRIGGER execution_logs_derive ON execution_logs;
DROP TRIGGER execution_logs_stamp ON execution_logs;
DROP TRIGGER execution_logs_require_order ON execution_logs;
DROP TRIGGER fills_derive ON fills;
DROP TRIGGER fills_stamp ON fills;
DROP TRIGGER orders_log_submitted ON orders;
DROP TRIGGER orders_admit ON orders;

-- A migrating login that owns neither the functions nor the schema gets membership in their owner, for
-- these statements only.
DO $$
DECLARE
    owner CONSTANT boolean := pg_has_role('blotter_ledger', 'USAGE') OR (
        SELECT pg_has_role(nspowner, 'USAGE') FROM pg_namespace WHERE nspname = current_schema()
    );
BEGIN
    IF NOT owner THEN
        EXECUTE format('GRANT blotter_ledger TO %I', current_user);
    END IF;
    DROP FUNCTION execution_logs_derive();
    DROP FUNCTION execution_logs_stamp();
    DROP FUNCTION execution_logs_require_order();
    DROP FUNCTION fills_derive();
    DROP FUNCTION fills_stamp();
    DROP FUNCTION orders_log_submitted();
    DROP FUNCTION orders_admit();
    DROP FUNCTION blotter_refuse_transition(uuid, order_status_enum, action_enum);
    IF NOT owner THEN
        EXECUTE format('REVOKE blotter_ledger FROM %I', current_user);
    END IF;
EXCEPTION
    WHEN insufficient_privilege THEN
        RAISE EXCEPTION E'% may not drop the functions of blotter_ledger (%). As an administrator run:\n'
            '  GRANT blotter_ledger TO %;\n'
            'then revert again, and afterwards REVOKE blotter_ledger FROM %;',
            quote_ident(current_user), SQLERRM, quote_ident(current_user), quote_ident(current_user)
            USING ERRCODE = 'insufficient_privilege';
END
$$;

ALTER TABLE fills DROP COLUMN trader_id;
ALTER TABLE orders DROP COLUMN filled_notional;

DO $$
BEGIN
    EXECUTE format('REVOKE USAGE ON SCHEMA %I FROM blotter_ledger', current_schema());
END
$$;
