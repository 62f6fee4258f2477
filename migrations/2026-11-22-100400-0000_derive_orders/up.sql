-- Promises that status and totals of an order always agree with its fills and actions, and that the log
-- records each step, whichever client writes. Clients insert orders, fills and actions; triggers derive the
-- rest in the same statement, under a lock on the order.
--
-- The deriving functions belong to blotter_ledger, the only role that may write derived columns. They are
-- SECURITY DEFINER with a fixed search path, so that no object of the caller can shadow these tables.

ALTER TABLE orders ADD COLUMN filled_notional numeric NOT NULL DEFAULT 0;
COMMENT ON COLUMN orders.filled_notional IS
    'Sum of quantity x price of the fills that count, exact (FIX tag 381, GrossTradeAmt)';

ALTER TABLE fills ADD COLUMN trader_id uuid;
COMMENT ON COLUMN fills.trader_id IS 'Trader of the order, set by the database';

-- Derive the rows that are stored already. FORCE would hide them from the owner.
ALTER TABLE orders NO FORCE ROW LEVEL SECURITY;
ALTER TABLE fills NO FORCE ROW LEVEL SECURITY;
ALTER TABLE execution_logs NO FORCE ROW LEVEL SECURITY;

DO $$
DECLARE
    wrong record;
BEGIN
    SELECT orders.*, coalesce(filled, 0) AS filled, round(notional / filled, 2) AS average
    INTO wrong
    FROM orders
    LEFT JOIN (
        SELECT
            order_id,
            sum(quantity_filled) AS filled,
            sum(quantity_filled * price_at_fill) + 0.00000000000000000000 AS notional
        FROM fills GROUP BY order_id
    ) AS totals ON order_id = id
    WHERE filled_quantity <> coalesce(filled, 0)
        OR average_fill_price IS DISTINCT FROM round(notional / filled, 2)
        OR (status = 'FILLED') <> (filled_quantity = quantity)
        OR status = 'PENDING' AND filled_quantity > 0
        OR status = 'PARTIAL' AND filled_quantity = 0
    ORDER BY id
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'order % is % with % of % shares filled at %, and its fills add up to % at %; '
            'correct such orders before they are derived',
            wrong.id, wrong.status, wrong.filled_quantity, wrong.quantity,
            coalesce(wrong.average_fill_price::text, 'no price'), wrong.filled,
            coalesce(wrong.average::text, 'no price')
            USING ERRCODE = 'check_violation';
    END IF;
    SELECT execution_logs.id, order_id, execution_logs.trader_id INTO wrong
    FROM execution_logs
    JOIN orders ON orders.id = order_id
    WHERE execution_logs.trader_id <> orders.trader_id
    ORDER BY execution_logs.id
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'log entry % names trader %, and its order % is another trader''s; correct '
            'such entries before they are shown by what they say',
            wrong.id, wrong.trader_id, wrong.order_id
            USING ERRCODE = 'foreign_key_violation';
    END IF;
END
$$;

UPDATE fills SET trader_id = orders.trader_id FROM orders WHERE orders.id = order_id;
UPDATE orders SET filled_notional = totals.notional
FROM (
    SELECT order_id, sum(quantity_filled * price_at_fill) AS notional FROM fills GROUP BY order_id
) AS totals
WHERE order_id = id;

ALTER TABLE orders FORCE ROW LEVEL SECURITY;
ALTER TABLE fills FORCE ROW LEVEL SECURITY;
ALTER TABLE execution_logs FORCE ROW LEVEL SECURITY;
ALTER TABLE fills ALTER COLUMN trader_id SET NOT NULL;

CREATE FUNCTION blotter_refuse_transition(
    order_id uuid, status order_status_enum, action action_enum
) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'order % is %, which does not allow %; only a PENDING or PARTIAL order can still '
        'change', order_id, status, action
        USING ERRCODE = 'check_violation', TABLE = 'orders', CONSTRAINT = 'orders_transition';
END
$$;

CREATE FUNCTION orders_admit() RETURNS trigger LANGUAGE plpgsql AS $$
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

CREATE FUNCTION orders_log_submitted() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    INSERT INTO execution_logs (order_id, trader_id, action, status, timestamp, created_at)
    VALUES (NEW.id, NEW.trader_id, 'SUBMITTED', NEW.status, NEW.created_at, NEW.created_at);
    RETURN NULL;
END
$$;

-- Runs with the caller's privileges: an order that the caller may not see and an order that does not exist
-- give the same error.
CREATE FUNCTION fills_stamp() RETURNS trigger LANGUAGE plpgsql AS $$
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

CREATE FUNCTION fills_derive() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
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

-- Runs with the caller's privileges: an order that the caller may not see and an order that does not exist
-- give the same error.
CREATE FUNCTION execution_logs_require_order() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM FROM orders WHERE id = NEW.order_id;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'there is no order %', NEW.order_id
            USING ERRCODE = 'foreign_key_violation', TABLE = 'execution_logs',
            CONSTRAINT = 'fk_execution_logs_order_id';
    END IF;
    RETURN NEW;
END
$$;

CREATE FUNCTION execution_logs_stamp() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
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

CREATE FUNCTION execution_logs_derive() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
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

-- Prevents an order that begins as filled, or with another submission time than the database's.
CREATE TRIGGER orders_admit BEFORE INSERT ON orders
    FOR EACH ROW EXECUTE FUNCTION orders_admit();
-- Prevents an order without a SUBMITTED entry in the log.
CREATE TRIGGER orders_log_submitted AFTER INSERT ON orders
    FOR EACH ROW EXECUTE FUNCTION orders_log_submitted();

-- Prevents a fill that carries another trader than its order.
CREATE TRIGGER fills_stamp BEFORE INSERT ON fills
    FOR EACH ROW EXECUTE FUNCTION fills_stamp();
-- Prevents a fill that its order's totals do not count, an over-fill, and a fill of an order that has ended.
CREATE TRIGGER fills_derive AFTER INSERT ON fills
    FOR EACH ROW EXECUTE FUNCTION fills_derive();

-- Prevents a trader from probing another trader's order by logging an action on it. Triggers fire in the
-- order of their names: this one comes before execution_logs_stamp, whose errors mention the order's status.
CREATE TRIGGER execution_logs_require_order BEFORE INSERT ON execution_logs
    FOR EACH ROW WHEN (
        current_user <> 'blotter_ledger' AND NOT pg_has_role('blotter_engine', 'USAGE')
    )
    EXECUTE FUNCTION execution_logs_require_order();
-- Prevents an entry that the database alone writes, one with another trader or time than the order's, and
-- one that claims another outcome than the action has.
CREATE TRIGGER execution_logs_stamp BEFORE INSERT ON execution_logs
    FOR EACH ROW WHEN (current_user <> 'blotter_ledger')
    EXECUTE FUNCTION execution_logs_stamp();
-- Prevents an order that stays open after a REJECTED or CANCELLED entry.
CREATE TRIGGER execution_logs_derive AFTER INSERT ON execution_logs
    FOR EACH ROW WHEN (current_user <> 'blotter_ledger')
    EXECUTE FUNCTION execution_logs_derive();

GRANT SELECT, UPDATE (
    status, filled_quantity, filled_notional, average_fill_price, updated_at
) ON orders TO blotter_ledger;
GRANT INSERT ON execution_logs TO blotter_ledger;

CREATE POLICY orders_ledger_reads ON orders FOR SELECT TO blotter_ledger USING (true);
CREATE POLICY orders_ledger_derives ON orders FOR UPDATE TO blotter_ledger USING (true);
CREATE POLICY execution_logs_ledger_logs ON execution_logs FOR INSERT TO blotter_ledger
    WITH CHECK (true);

-- To change the owner of a function, the migrating login must be a member of the new owner, and the new
-- owner needs CREATE on the schema. Both are granted for these statements only.
DO $$
DECLARE
    here CONSTANT text := quote_ident(current_schema());
    member boolean;
    creator boolean;
    function record;
BEGIN
    member := CASE
        WHEN current_setting('server_version_num')::integer < 160000
        THEN pg_has_role('blotter_ledger', 'MEMBER')
        ELSE pg_has_role('blotter_ledger', 'SET')
    END;
    creator := has_schema_privilege('blotter_ledger', current_schema(), 'CREATE');
    IF NOT member THEN
        EXECUTE format('GRANT blotter_ledger TO %I', current_user);
    END IF;
    IF NOT creator THEN
        EXECUTE format('GRANT CREATE ON SCHEMA %s TO blotter_ledger', here);
    END IF;
    IF NOT has_schema_privilege('blotter_ledger', current_schema(), 'USAGE') THEN
        EXECUTE format('GRANT USAGE ON SCHEMA %s TO blotter_ledger', here);
    END IF;
    FOR function IN
        SELECT oid::regprocedure AS name
        FROM pg_proc
        WHERE pronamespace = (SELECT oid FROM pg_namespace WHERE nspname = current_schema())
            AND proname IN (
                'blotter_refuse_transition', 'orders_admit', 'orders_log_submitted', 'fills_stamp',
                'fills_derive', 'execution_logs_require_order', 'execution_logs_stamp',
                'execution_logs_derive'
            )
    LOOP
        EXECUTE format(
            'ALTER FUNCTION %s SET search_path = pg_catalog, %s, pg_temp', function.name, here
        );
        EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', function.name);
        EXECUTE format('ALTER FUNCTION %s OWNER TO blotter_ledger', function.name);
    END LOOP;
    IF NOT creator THEN
        EXECUTE format('REVOKE CREATE ON SCHEMA %s FROM blotter_ledger', here);
    END IF;
    IF NOT member THEN
        EXECUTE format('REVOKE blotter_ledger FROM %I', current_user);
    END IF;
EXCEPTION
    WHEN insufficient_privilege THEN
        RAISE EXCEPTION E'% may not give functions to blotter_ledger (%). As an administrator run:\n'
            '  GRANT blotter_ledger TO %;\n%'
            'then migrate again, and afterwards REVOKE what you have granted.',
            quote_ident(current_user), SQLERRM, quote_ident(current_user),
            CASE
                WHEN has_schema_privilege(current_schema(), 'CREATE WITH GRANT OPTION') THEN ''
                ELSE format(E'  GRANT USAGE, CREATE ON SCHEMA %s TO blotter_ledger;\n', here)
            END
            USING ERRCODE = 'insufficient_privilege';
END
$$;
