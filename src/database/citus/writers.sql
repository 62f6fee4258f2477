-- The policies for inserts once more, as triggers of the tables that are about to be distributed: Citus does not ask the
-- policies where it copies rows into a shard by itself, as it does for INSERT … SELECT. Without these a trader
-- submits orders in the name of another one, and logs more than CANCELLED.

CREATE FUNCTION blotter_refuse_writer() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RAISE EXCEPTION 'new row violates row-level security policy for table "%"', TG_TABLE_NAME
        USING ERRCODE = 'insufficient_privilege';
END
$$;
REVOKE EXECUTE ON FUNCTION blotter_refuse_writer() FROM PUBLIC;
-- A superuser runs this script.
DO $$
BEGIN
    EXECUTE format(
        'ALTER FUNCTION blotter_refuse_writer() OWNER TO %I',
        (SELECT pg_get_userbyid(relowner) FROM pg_class WHERE oid = 'orders'::regclass)
    );
END
$$;

-- Prevents an order in the name of another trader.
CREATE TRIGGER orders_writer BEFORE INSERT ON orders FOR EACH ROW WHEN (
    NOT coalesce(
        pg_has_role('blotter_engine', 'USAGE') OR pg_has_role('blotter_ledger', 'USAGE')
            OR NEW.trader_id = blotter_trader_id(),
        false
    )
) EXECUTE FUNCTION blotter_refuse_writer();

-- Prevents an action on the order of another trader, and one that only the engine logs.
CREATE TRIGGER execution_logs_writer BEFORE INSERT ON execution_logs FOR EACH ROW WHEN (
    NOT coalesce(
        pg_has_role('blotter_engine', 'USAGE') OR pg_has_role('blotter_ledger', 'USAGE')
            OR NEW.trader_id = blotter_trader_id() AND NEW.action OPERATOR(pg_catalog.=) 'CANCELLED'
            AND NEW.error_code IS NULL AND NEW.retry_attempt IS NULL AND NEW.venue_order_id IS NULL
            AND NEW.reported_at IS NULL AND NEW.report_id IS NULL,
        false
    )
) EXECUTE FUNCTION blotter_refuse_writer();

-- Prevent rows of anybody but the engine, the owner of the tables included.
CREATE TRIGGER fills_writer BEFORE INSERT ON fills FOR EACH ROW WHEN (
    NOT (pg_has_role('blotter_engine', 'USAGE') OR pg_has_role('blotter_ledger', 'USAGE'))
) EXECUTE FUNCTION blotter_refuse_writer();
CREATE TRIGGER breaks_writer BEFORE INSERT ON breaks
    FOR EACH ROW WHEN (NOT pg_has_role('blotter_engine', 'USAGE')) EXECUTE FUNCTION blotter_refuse_writer();
CREATE TRIGGER break_resolutions_writer BEFORE INSERT ON break_resolutions
    FOR EACH ROW WHEN (NOT pg_has_role('blotter_engine', 'USAGE')) EXECUTE FUNCTION blotter_refuse_writer();
CREATE TRIGGER traders_writer BEFORE INSERT ON traders
    FOR EACH ROW WHEN (NOT pg_has_role('blotter_engine', 'USAGE')) EXECUTE FUNCTION blotter_refuse_writer();
-- Prevents a seal of anybody but an auditor.
CREATE TRIGGER seals_writer BEFORE INSERT ON seals
    FOR EACH ROW WHEN (NOT pg_has_role('blotter_auditor', 'USAGE')) EXECUTE FUNCTION blotter_refuse_writer();
-- Prevents an archive of anybody but a superuser, who has every role.
CREATE TRIGGER archives_writer BEFORE INSERT ON archives
    FOR EACH ROW WHEN (NOT pg_has_role('blotter_ledger', 'USAGE')) EXECUTE FUNCTION blotter_refuse_writer();

ALTER TABLE orders ENABLE ALWAYS TRIGGER orders_writer;
ALTER TABLE execution_logs ENABLE ALWAYS TRIGGER execution_logs_writer;
ALTER TABLE fills ENABLE ALWAYS TRIGGER fills_writer;
ALTER TABLE breaks ENABLE ALWAYS TRIGGER breaks_writer;
ALTER TABLE break_resolutions ENABLE ALWAYS TRIGGER break_resolutions_writer;
ALTER TABLE traders ENABLE ALWAYS TRIGGER traders_writer;
ALTER TABLE seals ENABLE ALWAYS TRIGGER seals_writer;
ALTER TABLE archives ENABLE ALWAYS TRIGGER archives_writer;
