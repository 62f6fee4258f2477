-- Promises the privileges of each role. A trader sees its own rows, submits its own orders and cancels them.
-- The engine sees every row and inserts orders, fills and actions. Compliance reads every row and writes
-- nothing. Only blotter_ledger holds UPDATE; nobody holds DELETE or TRUNCATE.
--
-- PostgreSQL ORs permissive policies: the trader's policy of the base schema applies beside those of a role
-- here. It ANDs RESTRICTIVE ones: they take privileges away.

-- Returns the trader of this session, from the setting `app.user_id`. Once a SET LOCAL has ended, PostgreSQL
-- returns '' and not NULL. The nil uuid, which programs use for "none", is no trader. The caller's search
-- path has no influence: the body was parsed when the function was created.
CREATE FUNCTION blotter_trader_id() RETURNS uuid LANGUAGE sql STABLE
    RETURN nullif(
        nullif(current_setting('app.user_id', true), '')::uuid,
        '00000000-0000-0000-0000-000000000000'::uuid
    );

-- In a sub-select, so that PostgreSQL calls the function once per statement instead of once per row.
ALTER POLICY orders_trader_isolation ON orders
    USING (trader_id = (SELECT blotter_trader_id()));
ALTER POLICY fills_trader_isolation ON fills
    USING (trader_id = (SELECT blotter_trader_id()));
ALTER POLICY execution_logs_trader_isolation ON execution_logs
    USING (trader_id = (SELECT blotter_trader_id()))
    WITH CHECK (trader_id = (SELECT blotter_trader_id()));

CREATE POLICY orders_engine_reads ON orders FOR SELECT TO blotter_engine USING (true);
CREATE POLICY fills_engine_reads ON fills FOR SELECT TO blotter_engine USING (true);
CREATE POLICY execution_logs_engine_reads ON execution_logs FOR SELECT TO blotter_engine
    USING (true);
CREATE POLICY orders_engine_submits ON orders FOR INSERT TO blotter_engine WITH CHECK (true);
CREATE POLICY fills_engine_records ON fills FOR INSERT TO blotter_engine WITH CHECK (true);
CREATE POLICY execution_logs_engine_logs ON execution_logs FOR INSERT TO blotter_engine
    WITH CHECK (true);

CREATE POLICY orders_compliance_reads ON orders FOR SELECT TO blotter_compliance USING (true);
CREATE POLICY fills_compliance_reads ON fills FOR SELECT TO blotter_compliance USING (true);
CREATE POLICY execution_logs_compliance_reads ON execution_logs FOR SELECT TO blotter_compliance
    USING (true);

-- Prevents a trader from recording fills of its own orders.
CREATE POLICY fills_trader_records_nothing ON fills AS RESTRICTIVE FOR INSERT TO blotter_trader
    WITH CHECK (false);
-- Prevents a trader from logging any action but CANCELLED, and from stating what the venue reported.
CREATE POLICY execution_logs_trader_cancels ON execution_logs AS RESTRICTIVE
    FOR INSERT TO blotter_trader
    WITH CHECK (action = 'CANCELLED' AND error_code IS NULL AND retry_attempt IS NULL);
-- Prevents compliance from writing the records that it reports on, even with a trader's identity and a grant.
CREATE POLICY orders_compliance_submits_nothing ON orders AS RESTRICTIVE
    FOR INSERT TO blotter_compliance WITH CHECK (false);
CREATE POLICY fills_compliance_records_nothing ON fills AS RESTRICTIVE
    FOR INSERT TO blotter_compliance WITH CHECK (false);
CREATE POLICY execution_logs_compliance_logs_nothing ON execution_logs AS RESTRICTIVE
    FOR INSERT TO blotter_compliance WITH CHECK (false);

GRANT SELECT ON orders, fills, execution_logs
    TO blotter_trader, blotter_engine, blotter_compliance;
GRANT INSERT ON orders, execution_logs TO blotter_trader;
GRANT INSERT ON orders, fills, execution_logs TO blotter_engine;

DO $$
DECLARE
    role text;
BEGIN
    -- A host application's own `traders` table is left as it is.
    IF obj_description(to_regclass(format('%I.traders', current_schema())), 'pg_class')
        = 'Traders, the owners of orders (table created by tradeblotter)'
    THEN
        ALTER TABLE traders ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
        CREATE POLICY traders_trader_isolation ON traders FOR SELECT
            USING (id = (SELECT blotter_trader_id()));
        CREATE POLICY traders_engine_reads ON traders FOR SELECT TO blotter_engine USING (true);
        CREATE POLICY traders_engine_registers ON traders FOR INSERT TO blotter_engine
            WITH CHECK (true);
        CREATE POLICY traders_compliance_reads ON traders FOR SELECT TO blotter_compliance
            USING (true);
        GRANT SELECT ON traders TO blotter_trader, blotter_engine, blotter_compliance;
        GRANT INSERT ON traders TO blotter_engine;
    END IF;
    -- Lets a backend check that the schema has the migrations that it was built for.
    IF to_regclass('__diesel_schema_migrations') IS NOT NULL THEN
        GRANT SELECT ON __diesel_schema_migrations
            TO blotter_trader, blotter_engine, blotter_compliance;
    END IF;
    FOREACH role IN ARRAY ARRAY['blotter_trader', 'blotter_engine', 'blotter_compliance'] LOOP
        IF NOT has_schema_privilege(role, current_schema(), 'USAGE') THEN
            EXECUTE format('GRANT USAGE ON SCHEMA %I TO %I', current_schema(), role);
        END IF;
    END LOOP;
END
$$;
