-- Promises that what is recorded stays as it was recorded: orders, fills and the log take new rows
-- and nothing else, from anybody, the owner and a superuser included. The one exception is what
-- blotter_ledger derives of an order.
--
-- ENABLE ALWAYS: an ordinary trigger is passed over under session_replication_role = replica.

CREATE FUNCTION blotter_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% of % % is refused: what is recorded stays as it was',
        TG_OP, TG_TABLE_NAME, CASE TG_LEVEL WHEN 'ROW' THEN OLD.id::text ELSE 'as a whole' END
        USING ERRCODE = 'restrict_violation', TABLE = TG_TABLE_NAME,
        CONSTRAINT = TG_TABLE_NAME || '_append_only',
        HINT = 'Add a row that says what has happened: an order, a fill, an action in the log.';
END
$$;

DO $$
BEGIN
    EXECUTE format(
        'ALTER FUNCTION blotter_refuse_change() SET search_path = pg_catalog, %I, pg_temp',
        current_schema()
    );
END
$$;
REVOKE EXECUTE ON FUNCTION blotter_refuse_change() FROM PUBLIC;

-- An order with other terms than those that were submitted, or another trader's.
CREATE TRIGGER orders_keep_terms BEFORE UPDATE OF
    id, trader_id, symbol, quantity, order_type, price, stop_loss, take_profit, created_at, expires_at
    ON orders FOR EACH ROW EXECUTE FUNCTION blotter_refuse_change();
-- A status or a total that no action and no fill has led to.
CREATE TRIGGER orders_keep_derived BEFORE UPDATE ON orders
    FOR EACH ROW WHEN (current_user <> 'blotter_ledger') EXECUTE FUNCTION blotter_refuse_change();
-- An order that was never submitted, and with it, by cascade, its fills and its log.
CREATE TRIGGER orders_keep_row BEFORE DELETE ON orders
    FOR EACH ROW EXECUTE FUNCTION blotter_refuse_change();
-- A table emptied at one stroke, which row security has no part in.
CREATE TRIGGER orders_keep_all BEFORE TRUNCATE ON orders
    FOR EACH STATEMENT EXECUTE FUNCTION blotter_refuse_change();

-- A fill at another price, or of more or fewer shares, than the venue reported.
CREATE TRIGGER fills_keep_values BEFORE UPDATE ON fills
    FOR EACH ROW EXECUTE FUNCTION blotter_refuse_change();
-- A fill that never happened.
CREATE TRIGGER fills_keep_row BEFORE DELETE ON fills
    FOR EACH ROW EXECUTE FUNCTION blotter_refuse_change();
-- A table emptied at one stroke, which row security has no part in.
CREATE TRIGGER fills_keep_all BEFORE TRUNCATE ON fills
    FOR EACH STATEMENT EXECUTE FUNCTION blotter_refuse_change();

-- An audit trail that says something else than it said.
CREATE TRIGGER execution_logs_keep_values BEFORE UPDATE ON execution_logs
    FOR EACH ROW EXECUTE FUNCTION blotter_refuse_change();
-- An audit trail with a gap.
CREATE TRIGGER execution_logs_keep_row BEFORE DELETE ON execution_logs
    FOR EACH ROW EXECUTE FUNCTION blotter_refuse_change();
-- A table emptied at one stroke, which row security has no part in.
CREATE TRIGGER execution_logs_keep_all BEFORE TRUNCATE ON execution_logs
    FOR EACH STATEMENT EXECUTE FUNCTION blotter_refuse_change();

ALTER TABLE orders
    ENABLE ALWAYS TRIGGER orders_keep_terms,
    ENABLE ALWAYS TRIGGER orders_keep_derived,
    ENABLE ALWAYS TRIGGER orders_keep_row,
    ENABLE ALWAYS TRIGGER orders_keep_all;
ALTER TABLE fills
    ENABLE ALWAYS TRIGGER fills_keep_values,
    ENABLE ALWAYS TRIGGER fills_keep_row,
    ENABLE ALWAYS TRIGGER fills_keep_all;
ALTER TABLE execution_logs
    ENABLE ALWAYS TRIGGER execution_logs_keep_values,
    ENABLE ALWAYS TRIGGER execution_logs_keep_row,
    ENABLE ALWAYS TRIGGER execution_logs_keep_all;
