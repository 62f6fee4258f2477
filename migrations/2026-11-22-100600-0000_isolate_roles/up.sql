-- Promises what each role may do: a trader sees its own rows, submits its own orders and cancels
-- them; the engine sees all and inserts orders, fills and actions; compliance reads all and writes
-- nothing. Nobody but blotter_ledger is granted UPDATE, and nobody at all DELETE or TRUNCATE.
--
-- Permissive policies are ORed, so the trader's own of the base schema stays beside what is allowed
-- to a role here; a RESTRICTIVE one takes away from that.

-- Whose rows are meant, from the setting `app.user_id`. After a SET LOCAL has ended the setting reads
-- '' and not NULL. Nobody is the nil uuid, which programs use to say "none". Nothing here is looked
-- up along the caller's search path: the body was parsed when the function was made.
CREATE FUNCTION blotter_trader_id() RETURNS uuid LANGUAGE sql STABLE
    RETURN nullif(
        nullif(current_setting('app.user_id', true), '')::uuid,
        '00000000-0000-0000-0000-000000000000'::uuid
    );

-- In a sub-select, so that it is called once for a statement and not once for a row.
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

-- A trader that fills its own order.
CREATE POLICY fills_trader_records_nothing ON fills AS RESTRICTIVE FOR INSERT TO blotter_trader
    WITH CHECK (false);
-- A trader that approves, routes, rejects or repairs its own order, or speaks for the venue.
CREATE POLICY execution_logs_trader_cancels ON execution_logs AS RESTRICTIVE
    FOR INSERT TO blotter_trader
    WITH CHECK (action = 'CANCELLED' AND error_code IS NULL AND retry_attempt IS NULL);
-- An officer who writes what is reported on, even under a trader's identity and with a grant.
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
    -- A host's own table of traders stays as it is.
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
    -- So that a backend can ask whether the schema is the one it was built for.
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
