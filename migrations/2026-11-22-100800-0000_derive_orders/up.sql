-- Promises that every order begins PENDING with nothing filled and with terms that can be read and traded, that
-- the log records its submission, and that an order which it replaces ends in the same statement.
--
-- Status and totals of an order always agree with its fills and actions, whichever client writes: clients
-- insert, triggers derive the rest in the same statement, under a lock on the order. The deriving functions
-- belong to blotter_ledger, the only role that may write derived columns. They are SECURITY DEFINER with a
-- fixed search path, so that no object of the caller can shadow these tables.
--
-- The triggers skip rows of blotter_ledger itself, which a batch function writes (write_batches).
--
-- In the plpgsql functions of this and the next migrations, an operator has operands of built-in types that it is
-- defined for (status::text), and a polymorphic function is qualified (pg_catalog.unnest). Otherwise an
-- operator or function that somebody has created in this schema for exactly these types would run instead of
-- PostgreSQL's. The bodies of SQL functions are parsed when they are created.

CALL blotter_lend_ledger();

CREATE FUNCTION blotter_refuse_transition(
    order_id uuid, status order_status_enum, action action_enum
) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'order % is %, which does not allow %; only a PENDING or PARTIAL order can still '
        'change', order_id, status, action
        USING ERRCODE = 'check_violation', TABLE = 'orders', CONSTRAINT = 'orders_transition';
END
$$;

-- Returns the rule that a new order breaks; null if it breaks none.
--
-- Readable rows: prices are positive and less than 100,000,000, however wide the columns are; none is NaN,
-- which PostgreSQL treats as greater than any number; no text that must say something is blank or contains a
-- control character; times and days are in the years 1 to 9999 (UTC), which every client can hold (PostgreSQL
-- allows 4713 BC, the year 294276 and infinity). Rows are never removed, so one unreadable row would break every page that contains it.
CREATE FUNCTION blotter_order_rule(
    symbol text, client_order_id text, account text, order_type text, price numeric, stop_loss numeric,
    take_profit numeric, limit_price numeric, currency text, expires_at timestamptz,
    received_at timestamptz, trading_day date, instructions jsonb
) RETURNS text LANGUAGE sql IMMUTABLE RETURN CASE
    WHEN symbol !~ '[^[:space:]]' THEN 'ck_orders_symbol_not_blank'
    WHEN client_order_id !~ '[^[:space:]]' THEN 'ck_orders_client_order_id_not_blank'
    WHEN account !~ '[^[:space:]]' THEN 'ck_orders_account_not_blank'
    WHEN symbol || coalesce(client_order_id, '') || coalesce(account, '') ~ '[\u0001-\u001F\u007F-\u009F]'
    THEN 'ck_orders_no_control_characters'
    WHEN price = 'NaN' THEN 'ck_orders_price_not_nan'
    WHEN stop_loss <= 0 OR stop_loss = 'NaN' THEN 'ck_orders_stop_loss_positive'
    WHEN take_profit <= 0 OR take_profit = 'NaN' THEN 'ck_orders_take_profit_positive'
    WHEN limit_price <= 0 OR limit_price = 'NaN' THEN 'ck_orders_limit_price_positive'
    WHEN greatest(price, stop_loss, take_profit, limit_price) >= 100000000 THEN 'ck_orders_money_in_range'
    WHEN limit_price IS NOT NULL AND order_type <> 'STOP' THEN 'ck_orders_limit_price_of_stop'
    WHEN currency !~ '^[A-Z]{3}$' THEN 'ck_orders_currency_iso_4217'
    WHEN NOT (expires_at BETWEEN '0001-01-01 00:00:00+00' AND '9999-12-31 23:59:59.999999+00')
    THEN 'ck_orders_expires_at_readable'
    WHEN NOT (received_at BETWEEN '0001-01-01 00:00:00+00' AND '9999-12-31 23:59:59.999999+00')
    THEN 'ck_orders_received_at_readable'
    WHEN NOT (trading_day BETWEEN '0001-01-01' AND '9999-12-31') THEN 'ck_orders_trading_day_readable'
    WHEN instructions IS NOT NULL AND (
        jsonb_typeof(instructions) <> 'object'
        OR jsonb_path_exists(instructions, '$.* ? (@.type() != "string")')
        OR length(instructions::text) > 65536
    ) THEN 'ck_orders_instructions_readable'
END;

-- Returns whether an order of this status can still change. For the statements that update orders, where a status
-- cast to text would keep the table from being distributed by Citus.
CREATE FUNCTION blotter_is_open(status order_status_enum) RETURNS boolean LANGUAGE sql IMMUTABLE
    RETURN status IN ('PENDING', 'PARTIAL');

-- Returns the time of the next change of an order: what the clock says, or if the server's clock was set back,
-- the moment after the last change.
CREATE FUNCTION blotter_next_change(clock timestamptz, last_change timestamptz) RETURNS timestamptz
LANGUAGE sql IMMUTABLE
    -- A timestamptz plus an interval would depend on the time zone of the session.
    RETURN greatest(clock, (last_change AT TIME ZONE 'UTC' + interval '1 microsecond') AT TIME ZONE 'UTC');

CREATE FUNCTION orders_admit() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    broken CONSTANT text := blotter_order_rule(
        NEW.symbol, NEW.client_order_id, NEW.account, NEW.order_type::text, NEW.price, NEW.stop_loss,
        NEW.take_profit, NEW.limit_price, NEW.currency, NEW.expires_at, NEW.received_at, NEW.trading_day,
        NEW.instructions
    );
    replaced record;
BEGIN
    IF broken IS NOT NULL THEN
        RAISE EXCEPTION 'new row for relation "orders" violates check constraint "%"', broken
            USING ERRCODE = 'check_violation', TABLE = 'orders', CONSTRAINT = broken,
            DETAIL = 'Failing row contains ' || NEW::text || '.';
    END IF;
    IF NEW.status::text <> 'PENDING' OR NEW.filled_quantity <> 0 OR NEW.filled_notional <> 0::numeric
        OR NEW.average_fill_price IS NOT NULL OR NEW.venue_order_id IS NOT NULL OR NEW.break_count <> 0
    THEN
        RAISE EXCEPTION 'order % would begin as %, with % shares filled for % (average %), known at the '
            'venue as %, with % breaks; an order begins PENDING with nothing filled, and its fills and '
            'actions move it',
            NEW.id, NEW.status, NEW.filled_quantity, NEW.filled_notional,
            coalesce(NEW.average_fill_price::text, 'none'), coalesce(NEW.venue_order_id, 'none'),
            NEW.break_count
            USING ERRCODE = 'check_violation', TABLE = 'orders', CONSTRAINT = 'orders_begin_pending';
    END IF;
    NEW.root_id := NEW.id;
    IF NEW.replaces = NEW.id THEN
        RAISE EXCEPTION 'order % would replace itself', NEW.id
            USING ERRCODE = 'check_violation', TABLE = 'orders', CONSTRAINT = 'ck_orders_replaces_other';
    ELSIF NEW.replaces IS NOT NULL THEN
        -- By its id alone: with the trader in the condition, a plan cached while there are few orders would
        -- scan all orders of that trader.
        SELECT trader_id, root_id INTO replaced FROM orders WHERE id = NEW.replaces;
        IF replaced.trader_id IS DISTINCT FROM NEW.trader_id THEN
            RAISE EXCEPTION 'there is no order % of trader % to replace', NEW.replaces, NEW.trader_id
                USING ERRCODE = 'foreign_key_violation', TABLE = 'orders',
                CONSTRAINT = 'fk_orders_replaces';
        END IF;
        NEW.root_id := replaced.root_id;
    END IF;
    NEW.created_at := pg_catalog.clock_timestamp();
    NEW.updated_at := NEW.created_at;
    RETURN NEW;
END
$$;

-- Ends an order that another one replaces: cancels it if it is open. The caller has locked it.
CREATE FUNCTION blotter_end_replaced(replaced uuid, by uuid) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    clock CONSTANT timestamptz := pg_catalog.clock_timestamp();
    ended record;
BEGIN
    UPDATE orders SET status = 'CANCELLED', updated_at = blotter_next_change(clock, updated_at)
    WHERE id = replaced RETURNING trader_id, updated_at INTO ended;
    INSERT INTO execution_logs (
        sequence, order_id, trader_id, action, status, timestamp, created_at, reason
    ) VALUES (
        pg_catalog.nextval('execution_logs_sequence'::regclass), replaced, ended.trader_id, 'CANCELLED',
        'CANCELLED', ended.updated_at, ended.updated_at, 'replaced by order ' || by::text
    );
END
$$;

CREATE FUNCTION orders_log_submitted() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    has_breaks boolean;
    replaced text;
BEGIN
    IF NEW.replaces IS NOT NULL THEN
        -- Before SUBMITTED takes its number: in the log it follows all that the replaced order did while it was open.
        SELECT status::text INTO replaced FROM orders WHERE id = NEW.replaces FOR NO KEY UPDATE;
    END IF;
    INSERT INTO execution_logs (
        sequence, order_id, trader_id, action, status, timestamp, created_at, reason
    )
    SELECT pg_catalog.nextval('execution_logs_sequence'::regclass), NEW.id, NEW.trader_id, 'SUBMITTED',
        'PENDING', NEW.created_at, NEW.created_at, 'replaces order ' || NEW.replaces::text
    WHERE NOT EXISTS (SELECT FROM execution_logs WHERE order_id = NEW.id)
    -- From PostgreSQL 18 on NEW means another row in RETURNING.
    RETURNING EXISTS (SELECT FROM breaks WHERE breaks.order_id = execution_logs.order_id) INTO has_breaks;
    IF NOT FOUND THEN
        -- Another row of the same statement has changed the order before SUBMITTED was logged.
        RAISE EXCEPTION 'order %: another row of the same statement moves it before SUBMITTED; use a '
            'statement for each', NEW.id
            USING ERRCODE = 'check_violation', TABLE = 'orders', CONSTRAINT = 'orders_transition';
    END IF;
    IF has_breaks THEN
        -- Breaks that named the order before it was submitted.
        UPDATE orders SET break_count = (SELECT count(*) FROM breaks WHERE order_id = NEW.id)
        WHERE id = NEW.id;
    END IF;
    IF NEW.replaces IS NOT NULL THEN
        IF replaced IN ('PENDING', 'PARTIAL') THEN
            PERFORM blotter_end_replaced(NEW.replaces, NEW.id);
        ELSIF replaced = 'FILLED' THEN
            -- Written although nothing changes: a concurrent bust that would reopen the order does not see the
            -- replacement yet, and must wait for this row instead.
            UPDATE orders SET updated_at = updated_at WHERE id = NEW.replaces;
        ELSE
            RAISE EXCEPTION 'order % is %, which does not allow order % to replace it; only a PENDING, '
                'PARTIAL or FILLED order can be replaced', NEW.replaces, replaced, NEW.id
                USING ERRCODE = 'check_violation', TABLE = 'orders', CONSTRAINT = 'orders_transition';
        END IF;
    END IF;
    RETURN NULL;
END
$$;

-- Prevents an order that begins as filled, with another submission time than the database's, or with terms
-- that cannot be read.
CREATE TRIGGER orders_admit BEFORE INSERT ON orders
    FOR EACH ROW WHEN (current_user <> 'blotter_ledger') EXECUTE FUNCTION orders_admit();

-- Prevents an order without a SUBMITTED entry, and a replaced order that stays open beside its replacement.
CREATE TRIGGER orders_log_submitted AFTER INSERT ON orders
    FOR EACH ROW WHEN (current_user <> 'blotter_ledger') EXECUTE FUNCTION orders_log_submitted();

REVOKE EXECUTE ON FUNCTION
    blotter_is_open(order_status_enum), blotter_next_change(timestamptz, timestamptz) FROM PUBLIC;
CALL blotter_settle_ledger(
    'blotter_refuse_transition', 'blotter_order_rule', 'blotter_is_open', 'blotter_next_change', 'orders_admit',
    'blotter_end_replaced', 'orders_log_submitted'
);
