-- Drops what up.sql created and restores the five policies of the base schema. Also revokes USAGE on the
-- schema from these roles and those of the desk, whoever granted it.

CALL blotter_permit_revert();

DO $$
DECLARE
    role text;
    own text;
BEGIN
    FOREACH role IN ARRAY ARRAY[
        'blotter_trader', 'blotter_engine', 'blotter_compliance', 'blotter_auditor', 'blotter_ledger'
    ] LOOP
        EXECUTE format('REVOKE USAGE ON SCHEMA %I FROM %I', current_schema(), role);
        own := replace(role, 'blotter_', format('blotter_%s_', current_schema()));
        IF to_regrole(quote_ident(own)) IS NOT NULL THEN
            EXECUTE format('REVOKE USAGE ON SCHEMA %I FROM %I', current_schema(), own);
        END IF;
    END LOOP;
    IF to_regclass('__diesel_schema_migrations') IS NOT NULL THEN
        REVOKE ALL ON __diesel_schema_migrations
            FROM blotter_trader, blotter_engine, blotter_compliance, blotter_auditor;
    END IF;
    IF obj_description(to_regclass(format('%I.traders', current_schema())), 'pg_class')
        = 'Traders, the owners of orders (table created by tradeblotter)'
    THEN
        REVOKE ALL ON traders FROM blotter_trader, blotter_engine, blotter_compliance, blotter_auditor;
        DROP POLICY traders_auditor_reads ON traders;
        DROP POLICY traders_compliance_reads ON traders;
        DROP POLICY traders_engine_registers ON traders;
        DROP POLICY traders_engine_reads ON traders;
        DROP POLICY traders_trader_isolation ON traders;
        ALTER TABLE traders NO FORCE ROW LEVEL SECURITY, DISABLE ROW LEVEL SECURITY;
    END IF;
END
$$;

REVOKE ALL ON orders, fills, execution_logs, breaks, break_resolutions, seals
    FROM blotter_trader, blotter_engine, blotter_compliance, blotter_auditor, blotter_ledger;
REVOKE ALL ON SEQUENCE execution_logs_sequence FROM blotter_ledger;

DROP POLICY break_resolutions_ledger_reads ON break_resolutions;
DROP POLICY breaks_ledger_reads ON breaks;
DROP POLICY execution_logs_ledger_logs ON execution_logs;
DROP POLICY execution_logs_ledger_reads ON execution_logs;
DROP POLICY fills_ledger_records ON fills;
DROP POLICY orders_ledger_submits ON orders;
DROP POLICY fills_ledger_reads ON fills;
DROP POLICY orders_ledger_derives ON orders;
DROP POLICY orders_ledger_reads ON orders;
DROP POLICY seals_auditor_seals ON seals;
DROP POLICY seals_auditor_reads ON seals;
DROP POLICY break_resolutions_auditor_reads ON break_resolutions;
DROP POLICY breaks_auditor_reads ON breaks;
DROP POLICY execution_logs_auditor_reads ON execution_logs;
DROP POLICY fills_auditor_reads ON fills;
DROP POLICY orders_auditor_reads ON orders;
DROP POLICY execution_logs_compliance_logs_nothing ON execution_logs;
DROP POLICY fills_compliance_records_nothing ON fills;
DROP POLICY orders_compliance_submits_nothing ON orders;
DROP POLICY seals_compliance_reads ON seals;
DROP POLICY break_resolutions_compliance_reads ON break_resolutions;
DROP POLICY breaks_compliance_reads ON breaks;
DROP POLICY execution_logs_compliance_reads ON execution_logs;
DROP POLICY fills_compliance_reads ON fills;
DROP POLICY orders_compliance_reads ON orders;
DROP POLICY break_resolutions_engine_resolves ON break_resolutions;
DROP POLICY break_resolutions_engine_reads ON break_resolutions;
DROP POLICY breaks_engine_keeps ON breaks;
DROP POLICY breaks_engine_reads ON breaks;
DROP POLICY execution_logs_engine_logs ON execution_logs;
DROP POLICY execution_logs_engine_reads ON execution_logs;
DROP POLICY fills_engine_records ON fills;
DROP POLICY fills_engine_reads ON fills;
DROP POLICY orders_engine_submits ON orders;
DROP POLICY orders_engine_reads ON orders;
DROP POLICY fills_trader_records_nothing ON fills;
DROP POLICY break_resolutions_trader_isolation ON break_resolutions;
DROP POLICY breaks_trader_isolation ON breaks;

ALTER TABLE seals NO FORCE ROW LEVEL SECURITY;
ALTER TABLE seals DISABLE ROW LEVEL SECURITY;
ALTER TABLE break_resolutions NO FORCE ROW LEVEL SECURITY;
ALTER TABLE break_resolutions DISABLE ROW LEVEL SECURITY;
ALTER TABLE breaks NO FORCE ROW LEVEL SECURITY;
ALTER TABLE breaks DISABLE ROW LEVEL SECURITY;

ALTER POLICY orders_trader_isolation ON orders
    USING (trader_id = (SELECT NULLIF(current_setting('app.user_id', true), '')::uuid));
ALTER POLICY fills_trader_isolation ON fills
    USING (EXISTS (
        SELECT FROM orders
        WHERE orders.id = fills.order_id
            AND orders.trader_id = (SELECT NULLIF(current_setting('app.user_id', true), '')::uuid)
    ));
ALTER POLICY execution_logs_trader_isolation ON execution_logs
    USING (trader_id = (SELECT NULLIF(current_setting('app.user_id', true), '')::uuid))
    WITH CHECK (
        trader_id = (SELECT NULLIF(current_setting('app.user_id', true), '')::uuid)
        AND EXISTS (
            SELECT FROM orders
            WHERE orders.id = execution_logs.order_id
                AND orders.trader_id = execution_logs.trader_id
        )
    );

DROP FUNCTION blotter_trader_id();
