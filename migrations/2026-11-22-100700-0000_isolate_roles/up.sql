-- Promises the privileges of each role.
--
--              | trader                 | engine        | compliance | auditor       | ledger
--   orders     | own: read, insert      | read, insert  | read       | read          | read, insert, derived columns
--   fills      | own: read              | read, insert  | read       | read          | read, insert
--   log        | own: read, CANCELLED   | read, insert  | read       | read          | read, insert
--   breaks     | own: read              | read, insert  | read       | read          | read
--   resolutions| own: read              | read, insert  | read       | read          | read
--   seals      |                        |               | read       | read, insert  |
--   traders    | itself: read           | read, insert  | read       | read          |
--
-- Nobody holds DELETE or TRUNCATE, and only blotter_ledger holds UPDATE, on derived columns of orders.
--
-- PostgreSQL ORs permissive policies: the trader's policy of the base schema applies beside those of a role
-- here. It ANDs RESTRICTIVE ones, which take privileges away; nothing rests on them alone, since a shard may
-- keep them without that word.

-- Returns the trader of this session, from the setting `app.user_id`. Once a SET LOCAL has ended, PostgreSQL
-- returns '' and not NULL. The nil uuid, which programs use for "none", is no trader. The caller's search
-- path has no influence: the body was parsed when the function was created.
--
-- The condition is always true. It hides the trader from the planner, which evaluates a stable function to estimate
-- rows but does not evaluate a comparison of rows. A plan for one trader is planned again at each call, because a
-- generic plan looks more expensive; or PostgreSQL keeps the plan that it made for the first trader of a connection,
-- which may read the rows of all traders. The first columns differ, so only these are compared.
CREATE FUNCTION blotter_trader_id() RETURNS uuid LANGUAGE sql STABLE
    RETURN CASE WHEN (0, 0) < (1, 0) THEN nullif(
        nullif(current_setting('app.user_id', true), '')::uuid,
        '00000000-0000-0000-0000-000000000000'::uuid
    ) END;

-- No sub-select, which a policy on a shard may not have. PostgreSQL still calls the function once per scan where
-- an index on the trader serves.
ALTER POLICY orders_trader_isolation ON orders
    USING (trader_id = blotter_trader_id());
ALTER POLICY fills_trader_isolation ON fills
    USING (trader_id = blotter_trader_id());
-- Of its own orders a trader logs CANCELLED only, and does not state what the venue reported.
ALTER POLICY execution_logs_trader_isolation ON execution_logs
    USING (trader_id = blotter_trader_id())
    WITH CHECK (
        trader_id = blotter_trader_id() AND action = 'CANCELLED' AND error_code IS NULL
        AND retry_attempt IS NULL AND venue_order_id IS NULL AND reported_at IS NULL AND report_id IS NULL
    );

ALTER TABLE breaks ENABLE ROW LEVEL SECURITY;
ALTER TABLE breaks FORCE ROW LEVEL SECURITY;
ALTER TABLE break_resolutions ENABLE ROW LEVEL SECURITY;
ALTER TABLE break_resolutions FORCE ROW LEVEL SECURITY;
ALTER TABLE seals ENABLE ROW LEVEL SECURITY;
ALTER TABLE seals FORCE ROW LEVEL SECURITY;

-- A trader: its own rows.
CREATE POLICY breaks_trader_isolation ON breaks FOR SELECT
    USING (trader_id = blotter_trader_id());
CREATE POLICY break_resolutions_trader_isolation ON break_resolutions FOR SELECT
    USING (trader_id = blotter_trader_id());
-- Prevents a trader from recording fills of its own orders.
CREATE POLICY fills_trader_records_nothing ON fills AS RESTRICTIVE FOR INSERT TO blotter_trader
    WITH CHECK (false);
GRANT SELECT ON orders, fills, execution_logs, breaks, break_resolutions TO blotter_trader;
GRANT INSERT ON orders, execution_logs TO blotter_trader;

-- The engine: every row.
CREATE POLICY orders_engine_reads ON orders FOR SELECT TO blotter_engine USING (true);
CREATE POLICY orders_engine_submits ON orders FOR INSERT TO blotter_engine WITH CHECK (true);
CREATE POLICY fills_engine_reads ON fills FOR SELECT TO blotter_engine USING (true);
CREATE POLICY fills_engine_records ON fills FOR INSERT TO blotter_engine WITH CHECK (true);
CREATE POLICY execution_logs_engine_reads ON execution_logs FOR SELECT TO blotter_engine
    USING (true);
CREATE POLICY execution_logs_engine_logs ON execution_logs FOR INSERT TO blotter_engine
    WITH CHECK (true);
CREATE POLICY breaks_engine_reads ON breaks FOR SELECT TO blotter_engine USING (true);
CREATE POLICY breaks_engine_keeps ON breaks FOR INSERT TO blotter_engine WITH CHECK (true);
CREATE POLICY break_resolutions_engine_reads ON break_resolutions FOR SELECT TO blotter_engine
    USING (true);
CREATE POLICY break_resolutions_engine_resolves ON break_resolutions FOR INSERT TO blotter_engine
    WITH CHECK (true);
GRANT SELECT, INSERT ON orders, fills, execution_logs, breaks, break_resolutions TO blotter_engine;

-- Compliance: reads every row.
CREATE POLICY orders_compliance_reads ON orders FOR SELECT TO blotter_compliance USING (true);
CREATE POLICY fills_compliance_reads ON fills FOR SELECT TO blotter_compliance USING (true);
CREATE POLICY execution_logs_compliance_reads ON execution_logs FOR SELECT TO blotter_compliance
    USING (true);
CREATE POLICY breaks_compliance_reads ON breaks FOR SELECT TO blotter_compliance USING (true);
CREATE POLICY break_resolutions_compliance_reads ON break_resolutions FOR SELECT
    TO blotter_compliance USING (true);
CREATE POLICY seals_compliance_reads ON seals FOR SELECT TO blotter_compliance USING (true);
-- Prevents compliance from writing the records that it reports on, even with a trader's identity and a grant.
CREATE POLICY orders_compliance_submits_nothing ON orders AS RESTRICTIVE
    FOR INSERT TO blotter_compliance WITH CHECK (false);
CREATE POLICY fills_compliance_records_nothing ON fills AS RESTRICTIVE
    FOR INSERT TO blotter_compliance WITH CHECK (false);
CREATE POLICY execution_logs_compliance_logs_nothing ON execution_logs AS RESTRICTIVE
    FOR INSERT TO blotter_compliance WITH CHECK (false);
GRANT SELECT ON orders, fills, execution_logs, breaks, break_resolutions, seals TO blotter_compliance;

-- The auditor: reads the records, seals the log.
CREATE POLICY orders_auditor_reads ON orders FOR SELECT TO blotter_auditor USING (true);
CREATE POLICY fills_auditor_reads ON fills FOR SELECT TO blotter_auditor USING (true);
CREATE POLICY execution_logs_auditor_reads ON execution_logs FOR SELECT TO blotter_auditor
    USING (true);
CREATE POLICY breaks_auditor_reads ON breaks FOR SELECT TO blotter_auditor USING (true);
CREATE POLICY break_resolutions_auditor_reads ON break_resolutions FOR SELECT TO blotter_auditor
    USING (true);
CREATE POLICY seals_auditor_reads ON seals FOR SELECT TO blotter_auditor USING (true);
CREATE POLICY seals_auditor_seals ON seals FOR INSERT TO blotter_auditor WITH CHECK (true);
GRANT SELECT ON orders, fills, execution_logs, breaks, break_resolutions TO blotter_auditor;
GRANT SELECT, INSERT ON seals TO blotter_auditor;

-- The ledger: what the deriving functions read and write. It alone may draw numbers of the log.
CREATE POLICY orders_ledger_reads ON orders FOR SELECT TO blotter_ledger USING (true);
CREATE POLICY orders_ledger_derives ON orders FOR UPDATE TO blotter_ledger USING (true);
CREATE POLICY fills_ledger_reads ON fills FOR SELECT TO blotter_ledger USING (true);
CREATE POLICY orders_ledger_submits ON orders FOR INSERT TO blotter_ledger WITH CHECK (true);
CREATE POLICY fills_ledger_records ON fills FOR INSERT TO blotter_ledger WITH CHECK (true);
CREATE POLICY execution_logs_ledger_reads ON execution_logs FOR SELECT TO blotter_ledger
    USING (true);
CREATE POLICY execution_logs_ledger_logs ON execution_logs FOR INSERT TO blotter_ledger
    WITH CHECK (true);
CREATE POLICY breaks_ledger_reads ON breaks FOR SELECT TO blotter_ledger USING (true);
CREATE POLICY break_resolutions_ledger_reads ON break_resolutions FOR SELECT TO blotter_ledger
    USING (true);
GRANT SELECT, INSERT, UPDATE (
    status, filled_quantity, filled_notional, average_fill_price, venue_order_id, break_count, updated_at
) ON orders TO blotter_ledger;
GRANT SELECT, INSERT ON fills, execution_logs TO blotter_ledger;
GRANT SELECT ON breaks, break_resolutions TO blotter_ledger;
GRANT USAGE ON SEQUENCE execution_logs_sequence TO blotter_ledger;

DO $$
DECLARE
    role text;
    own text;
BEGIN
    -- A host application's own `traders` table is left as it is.
    IF obj_description(to_regclass(format('%I.traders', current_schema())), 'pg_class')
        = 'Traders, the owners of orders (table created by tradeblotter)'
    THEN
        ALTER TABLE traders ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
        CREATE POLICY traders_trader_isolation ON traders FOR SELECT
            USING (id = blotter_trader_id());
        CREATE POLICY traders_engine_reads ON traders FOR SELECT TO blotter_engine USING (true);
        CREATE POLICY traders_engine_registers ON traders FOR INSERT TO blotter_engine
            WITH CHECK (true);
        CREATE POLICY traders_compliance_reads ON traders FOR SELECT TO blotter_compliance
            USING (true);
        CREATE POLICY traders_auditor_reads ON traders FOR SELECT TO blotter_auditor USING (true);
        GRANT SELECT ON traders TO blotter_trader, blotter_engine, blotter_compliance, blotter_auditor;
        GRANT INSERT ON traders TO blotter_engine;
    END IF;
    -- Lets a backend check that the schema has the migrations that it was built for.
    IF to_regclass('__diesel_schema_migrations') IS NOT NULL THEN
        GRANT SELECT ON __diesel_schema_migrations
            TO blotter_trader, blotter_engine, blotter_compliance, blotter_auditor;
    END IF;
    -- The roles of a desk are members of the shared ones, whose privileges and policies hold for them. Only they may use
    -- the schema of the desk, so that a member of the roles of another desk cannot name a table here.
    FOREACH role IN ARRAY ARRAY[
        'blotter_trader', 'blotter_engine', 'blotter_compliance', 'blotter_auditor', 'blotter_ledger'
    ] LOOP
        own := replace(role, 'blotter_', format('blotter_%s_', current_schema()));
        IF to_regrole(quote_ident(own)) IS NULL THEN
            own := role;
        ELSIF NOT pg_has_role(own, role, 'USAGE') THEN
            EXECUTE format('GRANT %I TO %I', role, own);
        END IF;
        IF NOT has_schema_privilege(own, current_schema(), 'USAGE') THEN
            EXECUTE format('GRANT USAGE ON SCHEMA %I TO %I', current_schema(), own);
        END IF;
    END LOOP;
END
$$;
