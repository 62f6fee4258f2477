-- Restores the functions, triggers and privileges of the previous migration. Numbers of the log and the
-- effects of busts, corrections and breaks stay in the rows. If an order was CANCELLED or REJECTED and then
-- filled completely, derive_orders refuses to derive it once it is reverted and applied again.

CALL blotter_lend_ledger();

DROP TRIGGER break_resolutions_book ON break_resolutions;
DROP TRIGGER break_resolutions_stamp ON break_resolutions;
DROP TRIGGER breaks_log ON breaks;
DROP TRIGGER breaks_stamp ON breaks;
CREATE OR REPLACE TRIGGER fills_derive AFTER INSERT ON fills
    FOR EACH ROW EXECUTE FUNCTION fills_derive();
CREATE OR REPLACE TRIGGER execution_logs_derive AFTER INSERT ON execution_logs
    FOR EACH ROW WHEN (current_user <> 'blotter_ledger') EXECUTE FUNCTION execution_logs_derive();
CREATE OR REPLACE TRIGGER orders_log_submitted AFTER INSERT ON orders
    FOR EACH ROW EXECUTE FUNCTION orders_log_submitted();

DROP FUNCTION break_resolutions_book();
DROP FUNCTION break_resolutions_stamp();
DROP FUNCTION breaks_log();
DROP FUNCTION blotter_log_break(uuid, uuid, text);
DROP FUNCTION breaks_stamp();
DROP FUNCTION blotter_count_fills(fills[]);
DROP FUNCTION blotter_count_amendment(fills);
DROP FUNCTION blotter_refuse_resolved(fills);
DROP FUNCTION blotter_replace(orders);
DROP FUNCTION blotter_end_replaced(uuid, uuid);

CREATE OR REPLACE FUNCTION orders_admit() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.status <> 'PENDING' OR NEW.filled_quantity <> 0 OR NEW.filled_notional <> 0
        OR NEW.average_fill_price IS NOT NULL
    THEN
        RAISE EXCEPTION 'order % would begin as %, with % shares filled for % (average %); an order '
            'begins PENDING with nothing filled, and its fills and actions move it',
            NEW.id, NEW.status, NEW.filled_quantity, NEW.filled_notional,
            coalesce(NEW.average_fill_price::text, 'none')
            USING ERRCODE = 'check_violation', TABLE = 'orders', CONSTRAINT = 'orders_begin_pending';
    END IF;
    NEW.created_at := clock_timestamp();
    NEW.updated_at := NEW.created_at;
    RETURN NEW;
END
$$;

CREATE OR REPLACE FUNCTION orders_log_submitted() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    INSERT INTO execution_logs (order_id, trader_id, action, status, timestamp, created_at)
    VALUES (NEW.id, NEW.trader_id, 'SUBMITTED', NEW.status, NEW.created_at, NEW.created_at);
    RETURN NULL;
END
$$;

CREATE OR REPLACE FUNCTION fills_stamp() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    SELECT trader_id INTO NEW.trader_id FROM orders WHERE id = NEW.order_id;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'there is no order %', NEW.order_id
            USING ERRCODE = 'foreign_key_violation', TABLE = 'fills',
            CONSTRAINT = 'fk_fills_order_id';
    END IF;
    NEW.created_at := clock_timestamp();
    RETURN NEW;
END
$$;

CREATE OR REPLACE FUNCTION fills_derive() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    filled orders;
BEGIN
    -- The column rounds the average, halves away from zero. The extra zeros give the division enough digits
    -- that it does not round first, which would round twice.
    UPDATE orders SET
        filled_quantity = filled_quantity + NEW.quantity_filled,
        filled_notional = filled_notional + NEW.quantity_filled * NEW.price_at_fill,
        average_fill_price =
            (filled_notional + NEW.quantity_filled * NEW.price_at_fill + 0.00000000000000000000)
            / (filled_quantity + NEW.quantity_filled),
        status = CASE
            WHEN filled_quantity + NEW.quantity_filled = quantity THEN 'FILLED' ELSE 'PARTIAL'
        END::order_status_enum,
        -- Timestamps of one order increase even if the server's clock is set back.
        updated_at = greatest(clock_timestamp(), updated_at + interval '1 microsecond')
    WHERE id = NEW.order_id
        AND status IN ('PENDING', 'PARTIAL')
        AND NEW.quantity_filled <= quantity - filled_quantity
    RETURNING * INTO filled;
    IF NOT FOUND THEN
        SELECT * INTO filled FROM orders WHERE id = NEW.order_id;
        IF filled.status NOT IN ('PENDING', 'PARTIAL') THEN
            PERFORM blotter_refuse_transition(NEW.order_id, filled.status, 'FILLED');
        END IF;
        RAISE EXCEPTION 'order %: a fill of % would take it beyond its quantity, % of % are filled',
            NEW.order_id, NEW.quantity_filled, filled.filled_quantity, filled.quantity
            USING ERRCODE = 'check_violation', TABLE = 'orders',
            CONSTRAINT = 'ck_orders_filled_lte_quantity';
    END IF;
    INSERT INTO execution_logs (order_id, trader_id, action, status, timestamp, created_at)
    VALUES (
        NEW.order_id, NEW.trader_id, 'FILLED', filled.status, filled.updated_at, filled.updated_at
    );
    RETURN NULL;
END
$$;

CREATE OR REPLACE FUNCTION execution_logs_stamp() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    acted_upon orders;
    derived order_status_enum;
BEGIN
    IF NEW.action IN ('SUBMITTED', 'FILLED') THEN
        RAISE EXCEPTION 'order %: % is logged by the database itself, when an order is submitted or a '
            'fill recorded', NEW.order_id, NEW.action
            USING ERRCODE = 'check_violation', TABLE = 'execution_logs',
            CONSTRAINT = 'execution_logs_automatic';
    END IF;
    SELECT * INTO acted_upon FROM orders WHERE id = NEW.order_id FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'there is no order %', NEW.order_id
            USING ERRCODE = 'foreign_key_violation', TABLE = 'execution_logs',
            CONSTRAINT = 'fk_execution_logs_order_id';
    END IF;
    IF NEW.trader_id <> acted_upon.trader_id THEN
        RAISE EXCEPTION 'order % is not an order of trader %', NEW.order_id, NEW.trader_id
            USING ERRCODE = 'foreign_key_violation', TABLE = 'execution_logs',
            CONSTRAINT = 'execution_logs_same_trader';
    END IF;
    IF NEW.action <> 'RECOVERED' AND acted_upon.status NOT IN ('PENDING', 'PARTIAL') THEN
        PERFORM blotter_refuse_transition(NEW.order_id, acted_upon.status, NEW.action);
    END IF;
    derived := CASE NEW.action
        WHEN 'REJECTED' THEN 'REJECTED'
        WHEN 'CANCELLED' THEN 'CANCELLED'
        ELSE acted_upon.status
    END;
    IF NEW.status <> derived THEN
        RAISE EXCEPTION 'order % is % after %, and not %; leave the status out',
            NEW.order_id, derived, NEW.action, NEW.status
            USING ERRCODE = 'check_violation', TABLE = 'execution_logs',
            CONSTRAINT = 'execution_logs_status_derived';
    END IF;
    NEW.trader_id := acted_upon.trader_id;
    NEW.status := derived;
    NEW.timestamp := greatest(
        clock_timestamp(), acted_upon.updated_at + interval '1 microsecond'
    );
    NEW.created_at := NEW.timestamp;
    RETURN NEW;
END
$$;

CREATE OR REPLACE FUNCTION execution_logs_derive() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    IF NEW.action IN ('REJECTED', 'CANCELLED') THEN
        UPDATE orders SET status = NEW.status, updated_at = NEW.timestamp
        WHERE id = NEW.order_id AND status IN ('PENDING', 'PARTIAL')
            AND updated_at < NEW.timestamp;
    ELSE
        PERFORM FROM orders
        WHERE id = NEW.order_id AND status = NEW.status AND updated_at < NEW.timestamp;
    END IF;
    -- The order has been locked since this entry was stamped, so only another row of the same statement can
    -- have changed it.
    IF NOT FOUND THEN
        RAISE EXCEPTION 'order %: another row of the same statement moves it before %; use a '
            'statement for each', NEW.order_id, NEW.action
            USING ERRCODE = 'check_violation', TABLE = 'orders', CONSTRAINT = 'orders_transition';
    END IF;
    RETURN NULL;
END
$$;

CALL blotter_settle_ledger(
    'orders_admit', 'orders_log_submitted', 'fills_stamp', 'fills_derive', 'execution_logs_stamp',
    'execution_logs_derive'
);

ALTER POLICY execution_logs_trader_cancels ON execution_logs
    WITH CHECK (action = 'CANCELLED' AND error_code IS NULL AND retry_attempt IS NULL);
DROP POLICY execution_logs_ledger_reads ON execution_logs;
REVOKE SELECT ON execution_logs FROM blotter_ledger;
DROP POLICY fills_ledger_books ON fills;
DROP POLICY fills_ledger_reads ON fills;
REVOKE ALL ON fills FROM blotter_ledger;
REVOKE UPDATE (venue_order_id) ON orders FROM blotter_ledger;

ALTER TABLE execution_logs ALTER COLUMN sequence DROP NOT NULL;
DROP SEQUENCE execution_logs_sequence;
