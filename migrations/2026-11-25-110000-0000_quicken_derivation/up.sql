-- Promises speed only: the results are the same, but the functions look rows up by key, however much the
-- tables have grown since their plans were cached; and the orders that the rows of one statement replace are
-- cancelled together.

CALL blotter_lend_ledger();

-- Looks up the replaced order by its id alone. With the trader in the condition, a plan cached while there
-- are few orders would scan all orders of that trader.
CREATE OR REPLACE FUNCTION orders_admit() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    owner uuid;
BEGIN
    IF NEW.status <> 'PENDING' OR NEW.filled_quantity <> 0 OR NEW.filled_notional <> 0
        OR NEW.average_fill_price IS NOT NULL OR NEW.venue_order_id IS NOT NULL
    THEN
        RAISE EXCEPTION 'order % would begin as %, with % shares filled for % (average %), known at the '
            'venue as %; an order begins PENDING with nothing filled, and its fills and actions move it',
            NEW.id, NEW.status, NEW.filled_quantity, NEW.filled_notional,
            coalesce(NEW.average_fill_price::text, 'none'), coalesce(NEW.venue_order_id, 'none')
            USING ERRCODE = 'check_violation', TABLE = 'orders', CONSTRAINT = 'orders_begin_pending';
    END IF;
    IF NEW.replaces IS NOT NULL THEN
        SELECT trader_id INTO owner FROM orders WHERE id = NEW.replaces;
        IF owner IS DISTINCT FROM NEW.trader_id THEN
            RAISE EXCEPTION 'there is no order % of trader % to replace', NEW.replaces, NEW.trader_id
                USING ERRCODE = 'foreign_key_violation', TABLE = 'orders',
                CONSTRAINT = 'fk_orders_replaces';
        END IF;
    END IF;
    NEW.created_at := clock_timestamp();
    NEW.updated_at := NEW.created_at;
    RETURN NEW;
END
$$;

-- Cancels the orders that new ones replace.
CREATE FUNCTION blotter_replace(submitted orders[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    refused record;
BEGIN
    -- Orders are locked in the order of their ids, so concurrent statements cannot deadlock.
    PERFORM FROM orders WHERE id = ANY (ARRAY(SELECT replaces FROM unnest(submitted)))
    ORDER BY id FOR NO KEY UPDATE;
    SELECT orders.id, orders.status, replacement.id AS replacement INTO refused
    FROM unnest(submitted) WITH ORDINALITY AS replacement JOIN orders ON orders.id = replacement.replaces
    WHERE orders.status NOT IN ('PENDING', 'PARTIAL', 'FILLED') ORDER BY ordinality LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'order % is %, which does not allow order % to replace it; only a PENDING, '
            'PARTIAL or FILLED order can be replaced', refused.id, refused.status, refused.replacement
            USING ERRCODE = 'check_violation', TABLE = 'orders', CONSTRAINT = 'orders_transition';
    END IF;
    WITH ended AS (
        UPDATE orders SET
            status = CASE WHEN orders.status = 'FILLED' THEN orders.status ELSE 'CANCELLED' END,
            -- A FILLED order is written although nothing changes: a concurrent bust that would reopen it does
            -- not see the replacement yet, and must wait for this row instead.
            updated_at = CASE
                WHEN orders.status = 'FILLED' THEN orders.updated_at
                ELSE greatest(clock_timestamp(), orders.updated_at + interval '1 microsecond')
            END
        FROM unnest(submitted) WITH ORDINALITY AS replacement
        WHERE orders.id = replacement.replaces
        RETURNING orders.id, orders.trader_id, orders.status, orders.updated_at,
            replacement.id AS replacement, ordinality
    )
    INSERT INTO execution_logs (
        sequence, order_id, trader_id, action, status, timestamp, created_at, reason
    )
    SELECT nextval('execution_logs_sequence'), id, trader_id, 'CANCELLED', status, updated_at, updated_at,
        'replaced by order ' || replacement
    FROM (SELECT * FROM ended WHERE status = 'CANCELLED' ORDER BY ordinality) AS ended;
END
$$;

CREATE OR REPLACE FUNCTION orders_log_submitted() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    moved uuid;
    replacing orders[];
BEGIN
    -- The LIMIT keeps the planner from a join, which in a cached plan would read the whole log.
    SELECT array_agg(submitted) FILTER (WHERE replaces IS NOT NULL), min((
        SELECT order_id FROM execution_logs WHERE order_id = submitted.id LIMIT 1
    )::text) INTO replacing, moved FROM submitted;
    IF moved IS NOT NULL THEN
        -- Another row of the same statement has changed the order before SUBMITTED was logged.
        RAISE EXCEPTION 'order %: another row of the same statement moves it before SUBMITTED; use a '
            'statement for each', moved
            USING ERRCODE = 'check_violation', TABLE = 'orders', CONSTRAINT = 'orders_transition';
    END IF;
    INSERT INTO execution_logs (
        sequence, order_id, trader_id, action, status, timestamp, created_at, reason
    )
    SELECT nextval('execution_logs_sequence'), id, trader_id, 'SUBMITTED', status,
        created_at, created_at, 'replaces order ' || replaces
    FROM submitted;
    IF replacing IS NOT NULL THEN
        PERFORM blotter_replace(replacing);
    END IF;
    RETURN NULL;
END
$$;

DROP FUNCTION blotter_replace(orders);

-- Locks by id alone. With the status in the condition, a plan could scan every open order.
CREATE OR REPLACE FUNCTION blotter_count_fills(recorded fills[]) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    order_ids uuid[];
    shares bigint[];
    able bigint;
BEGIN
    PERFORM FROM unnest(recorded) WHERE amends IS NOT NULL OR break_id IS NOT NULL;
    IF FOUND THEN
        RETURN false;
    END IF;
    SELECT array_agg(order_id), array_agg(quantity_filled) INTO order_ids, shares FROM (
        SELECT order_id, sum(quantity_filled) AS quantity_filled FROM unnest(recorded) GROUP BY order_id
    ) AS each;
    -- Orders are locked in the order of their ids, so concurrent statements cannot deadlock.
    SELECT count(*) INTO able FROM (
        SELECT status, quantity - filled_quantity AS open, filled.shares
        FROM unnest(order_ids, shares) AS filled (order_id, shares)
        JOIN orders ON id = order_id
        ORDER BY id FOR NO KEY UPDATE OF orders
    ) AS locked
    WHERE status IN ('PENDING', 'PARTIAL') AND locked.shares <= open;
    IF able < cardinality(order_ids) THEN
        RETURN false;
    END IF;
    -- An order with a resolved break: its fills are checked one by one.
    PERFORM FROM breaks JOIN break_resolutions ON break_id = breaks.id
    WHERE breaks.order_id = ANY (order_ids);
    IF FOUND THEN
        RETURN false;
    END IF;
    WITH moved AS (
        UPDATE orders SET
            filled_quantity = filled_quantity + filled.shares,
            filled_notional = filled_notional + filled.notional,
            average_fill_price = (filled_notional + filled.notional + 0.000000000000000000000000000000)
                / (filled_quantity + filled.shares),
            status = CASE
                WHEN filled_quantity + filled.shares = quantity THEN 'FILLED' ELSE 'PARTIAL'
            END::order_status_enum,
            -- One microsecond per fill keeps their log entries in order.
            updated_at = greatest(clock_timestamp(), updated_at + interval '1 microsecond')
                + (cardinality(filled.fill_ids) - 1) * interval '1 microsecond'
        FROM (
            SELECT order_id, sum(quantity_filled) AS shares,
                sum(quantity_filled * price_at_fill) AS notional,
                array_agg(id ORDER BY ordinality) AS fill_ids,
                array_agg(quantity_filled ORDER BY ordinality) AS parts
            FROM unnest(recorded) WITH ORDINALITY GROUP BY order_id
        ) AS filled
        WHERE orders.id = filled.order_id
        RETURNING orders.id, trader_id, quantity, filled_quantity - filled.shares AS filled_before,
            updated_at, fill_ids, parts
    )
    INSERT INTO execution_logs (
        sequence, order_id, trader_id, action, status, timestamp, created_at, fill_id
    )
    SELECT nextval('execution_logs_sequence'), id, trader_id, 'FILLED',
        CASE WHEN filled_before + filled = quantity THEN 'FILLED' ELSE 'PARTIAL' END::order_status_enum,
        at, at, fill_id
    FROM (
        SELECT moved.id, trader_id, quantity, filled_before, fill_id, ordinality,
            sum(part) OVER (PARTITION BY moved.id ORDER BY ordinality) AS filled,
            updated_at - (cardinality(fill_ids) - ordinality) * interval '1 microsecond' AS at
        FROM moved, unnest(fill_ids, parts) WITH ORDINALITY AS fill (fill_id, part)
        ORDER BY moved.id, ordinality
    ) AS entries;
    RETURN true;
END
$$;

CALL blotter_settle_ledger(
    'orders_admit', 'orders_log_submitted', 'blotter_replace', 'blotter_count_fills'
);

-- A plan cached while a table is empty reads the whole table once it has grown. These settings come after
-- the search path, which must be the first setting of each function.
CALL blotter_lend_ledger();
ALTER FUNCTION orders_log_submitted() SET enable_seqscan = off;
ALTER FUNCTION fills_derive() SET enable_seqscan = off;
ALTER FUNCTION execution_logs_derive() SET enable_seqscan = off;
CALL blotter_settle_ledger('orders_log_submitted', 'fills_derive', 'execution_logs_derive');
