-- Promises that every order begins PENDING with nothing filled, that the log records its submission, and that
-- an order which it replaces ends in the same statement.
--
-- Status and totals of an order always agree with its fills and actions, whichever client writes: clients
-- insert, triggers derive the rest in the same statement, under a lock on the order. The deriving functions
-- belong to blotter_ledger, the only role that may write derived columns. They are SECURITY DEFINER with a
-- fixed search path, so that no object of the caller can shadow these tables.

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

-- Looks up the replaced order by its id alone. With the trader in the condition, a plan cached while there
-- are few orders would scan all orders of that trader.
CREATE FUNCTION orders_admit() RETURNS trigger LANGUAGE plpgsql AS $$
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

CREATE FUNCTION orders_log_submitted() RETURNS trigger
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

-- Prevents an order that begins as filled, or with another submission time than the database's.
CREATE TRIGGER orders_admit BEFORE INSERT ON orders
    FOR EACH ROW EXECUTE FUNCTION orders_admit();

-- Prevents an order without a SUBMITTED entry, and a replaced order that stays open beside its replacement.
CREATE TRIGGER orders_log_submitted AFTER INSERT ON orders
    REFERENCING NEW TABLE AS submitted
    FOR EACH STATEMENT EXECUTE FUNCTION orders_log_submitted();

CALL blotter_settle_ledger(
    'blotter_refuse_transition', 'orders_admit', 'blotter_replace', 'orders_log_submitted'
);

-- A plan cached while a table is empty reads the whole table once it has grown. These settings come after
-- the search path, which must be the first setting of each function.
CALL blotter_lend_ledger();
ALTER FUNCTION orders_log_submitted() SET enable_seqscan = off;
CALL blotter_settle_ledger('orders_log_submitted');
