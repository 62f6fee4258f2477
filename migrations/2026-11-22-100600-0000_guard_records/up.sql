-- Promises that orders, fills, the log, breaks, resolutions and seals are append-only: UPDATE, DELETE and
-- TRUNCATE are refused for every role, the owner and superusers included. The one exception: blotter_ledger
-- updates the derived columns of an order. Of traders the same is promised where this schema created the table: a name that
-- stood beside an order stays.
--
-- ENABLE ALWAYS: an ordinary trigger does not fire under session_replication_role = replica.

CREATE FUNCTION blotter_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% of % % is refused: recorded rows are append-only',
        TG_OP, TG_TABLE_NAME, CASE TG_LEVEL WHEN 'ROW' THEN OLD.id::text ELSE 'as a whole' END
        USING ERRCODE = 'restrict_violation', TABLE = TG_TABLE_NAME,
        CONSTRAINT = TG_TABLE_NAME || '_append_only',
        HINT = CASE TG_TABLE_NAME
            WHEN 'traders' THEN 'Register another trader, under a new id, and submit its orders from now on.'
            ELSE 'Insert a row that records what happened: an order, a fill, an amendment or an action in the log.'
        END;
END
$$;

DO $$
BEGIN
    EXECUTE format(
        'ALTER FUNCTION blotter_refuse_change() SET search_path = %I, pg_temp',
        current_schema()
    );
END
$$;
REVOKE EXECUTE ON FUNCTION blotter_refuse_change() FROM PUBLIC;

-- The guards of an order's UPDATE fire AFTER: for a BEFORE row trigger PostgreSQL locks the row once more, in
-- every fill. They are row triggers, because a statement trigger does not fire for an UPDATE of a table that
-- this one was made to inherit from.
--
-- Prevents a change of an order's terms or of its trader after submission.
CREATE TRIGGER orders_keep_terms AFTER UPDATE OF
    id, trader_id, symbol, quantity, order_type, price, stop_loss, take_profit, created_at, expires_at,
    side, client_order_id, replaces, root_id, trading_day, account, time_in_force, limit_price, currency,
    received_at, instructions
    ON orders FOR EACH ROW EXECUTE FUNCTION blotter_refuse_change();
-- Prevents a status or a total that no action and no fill explains.
CREATE TRIGGER orders_keep_derived AFTER UPDATE ON orders
    FOR EACH ROW WHEN (current_user <> 'blotter_ledger') EXECUTE FUNCTION blotter_refuse_change();
-- Prevents the deletion of an order, which would cascade to its fills and its log.
CREATE TRIGGER orders_keep_row BEFORE DELETE ON orders
    FOR EACH ROW EXECUTE FUNCTION blotter_refuse_change();
-- Prevents TRUNCATE, to which row-level security does not apply.
CREATE TRIGGER orders_keep_all BEFORE TRUNCATE ON orders
    FOR EACH STATEMENT EXECUTE FUNCTION blotter_refuse_change();

-- Prevents a change of the price or quantity that the venue reported.
CREATE TRIGGER fills_keep_values BEFORE UPDATE ON fills
    FOR EACH ROW EXECUTE FUNCTION blotter_refuse_change();
-- Prevents the deletion of a fill.
CREATE TRIGGER fills_keep_row BEFORE DELETE ON fills
    FOR EACH ROW EXECUTE FUNCTION blotter_refuse_change();
-- Prevents TRUNCATE, to which row-level security does not apply.
CREATE TRIGGER fills_keep_all BEFORE TRUNCATE ON fills
    FOR EACH STATEMENT EXECUTE FUNCTION blotter_refuse_change();

-- Prevents a change of an entry in the audit trail.
CREATE TRIGGER execution_logs_keep_values BEFORE UPDATE ON execution_logs
    FOR EACH ROW EXECUTE FUNCTION blotter_refuse_change();
-- Prevents the deletion of an entry of the audit trail.
CREATE TRIGGER execution_logs_keep_row BEFORE DELETE ON execution_logs
    FOR EACH ROW EXECUTE FUNCTION blotter_refuse_change();
-- Prevents TRUNCATE, to which row-level security does not apply.
CREATE TRIGGER execution_logs_keep_all BEFORE TRUNCATE ON execution_logs
    FOR EACH STATEMENT EXECUTE FUNCTION blotter_refuse_change();

-- Prevents a change of what the venue reported.
CREATE TRIGGER breaks_keep_values BEFORE UPDATE ON breaks
    FOR EACH ROW EXECUTE FUNCTION blotter_refuse_change();
-- Prevents the deletion of a break.
CREATE TRIGGER breaks_keep_row BEFORE DELETE ON breaks
    FOR EACH ROW EXECUTE FUNCTION blotter_refuse_change();
-- Prevents TRUNCATE, to which row-level security does not apply.
CREATE TRIGGER breaks_keep_all BEFORE TRUNCATE ON breaks
    FOR EACH STATEMENT EXECUTE FUNCTION blotter_refuse_change();

-- Prevents a change of a resolution's reason or author.
CREATE TRIGGER break_resolutions_keep_values BEFORE UPDATE ON break_resolutions
    FOR EACH ROW EXECUTE FUNCTION blotter_refuse_change();
-- Prevents the deletion of a resolution.
CREATE TRIGGER break_resolutions_keep_row BEFORE DELETE ON break_resolutions
    FOR EACH ROW EXECUTE FUNCTION blotter_refuse_change();
-- Prevents TRUNCATE, to which row-level security does not apply.
CREATE TRIGGER break_resolutions_keep_all BEFORE TRUNCATE ON break_resolutions
    FOR EACH STATEMENT EXECUTE FUNCTION blotter_refuse_change();

-- Prevents a change of a seal.
CREATE TRIGGER seals_keep_values BEFORE UPDATE ON seals
    FOR EACH ROW EXECUTE FUNCTION blotter_refuse_change();
-- Prevents the deletion of a seal.
CREATE TRIGGER seals_keep_row BEFORE DELETE ON seals
    FOR EACH ROW EXECUTE FUNCTION blotter_refuse_change();
-- Prevents TRUNCATE, to which row-level security does not apply.
CREATE TRIGGER seals_keep_all BEFORE TRUNCATE ON seals
    FOR EACH STATEMENT EXECUTE FUNCTION blotter_refuse_change();

DO $$
BEGIN
    -- A host application's own `traders` table is left as it is.
    IF obj_description(to_regclass(format('%I.traders', current_schema())), 'pg_class')
        = 'Traders, the owners of orders (table created by tradeblotter)'
    THEN
        -- Prevents a change of the name or of the id by which orders are shown to their trader.
        CREATE TRIGGER traders_keep_values BEFORE UPDATE ON traders
            FOR EACH ROW EXECUTE FUNCTION blotter_refuse_change();
        -- Prevents the deletion of a trader.
        CREATE TRIGGER traders_keep_row BEFORE DELETE ON traders
            FOR EACH ROW EXECUTE FUNCTION blotter_refuse_change();
        -- Prevents TRUNCATE, to which row-level security does not apply.
        CREATE TRIGGER traders_keep_all BEFORE TRUNCATE ON traders
            FOR EACH STATEMENT EXECUTE FUNCTION blotter_refuse_change();
        ALTER TABLE traders
            ENABLE ALWAYS TRIGGER traders_keep_values,
            ENABLE ALWAYS TRIGGER traders_keep_row,
            ENABLE ALWAYS TRIGGER traders_keep_all;
    END IF;
END
$$;

ALTER TABLE orders ENABLE ALWAYS TRIGGER orders_keep_terms;
ALTER TABLE orders ENABLE ALWAYS TRIGGER orders_keep_derived;
ALTER TABLE orders ENABLE ALWAYS TRIGGER orders_keep_row;
ALTER TABLE orders ENABLE ALWAYS TRIGGER orders_keep_all;
ALTER TABLE fills ENABLE ALWAYS TRIGGER fills_keep_values;
ALTER TABLE fills ENABLE ALWAYS TRIGGER fills_keep_row;
ALTER TABLE fills ENABLE ALWAYS TRIGGER fills_keep_all;
ALTER TABLE execution_logs ENABLE ALWAYS TRIGGER execution_logs_keep_values;
ALTER TABLE execution_logs ENABLE ALWAYS TRIGGER execution_logs_keep_row;
ALTER TABLE execution_logs ENABLE ALWAYS TRIGGER execution_logs_keep_all;
ALTER TABLE breaks ENABLE ALWAYS TRIGGER breaks_keep_values;
ALTER TABLE breaks ENABLE ALWAYS TRIGGER breaks_keep_row;
ALTER TABLE breaks ENABLE ALWAYS TRIGGER breaks_keep_all;
ALTER TABLE break_resolutions ENABLE ALWAYS TRIGGER break_resolutions_keep_values;
ALTER TABLE break_resolutions ENABLE ALWAYS TRIGGER break_resolutions_keep_row;
ALTER TABLE break_resolutions ENABLE ALWAYS TRIGGER break_resolutions_keep_all;
ALTER TABLE seals ENABLE ALWAYS TRIGGER seals_keep_values;
ALTER TABLE seals ENABLE ALWAYS TRIGGER seals_keep_row;
ALTER TABLE seals ENABLE ALWAYS TRIGGER seals_keep_all;
