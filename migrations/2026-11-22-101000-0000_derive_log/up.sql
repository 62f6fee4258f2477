-- Promises that an action in the log moves its order, that only possible actions are logged, and that each
-- entry has a number, a time later than the previous one of its order, and the login that acted.

CALL blotter_lend_ledger();

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

CREATE FUNCTION execution_logs_stamp() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER AS $$
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
    IF NEW.fill_id IS NOT NULL OR NEW.break_id IS NOT NULL THEN
        RAISE EXCEPTION 'order %: an entry about fill % or break % is written by the database itself, '
            'when a fill is recorded or a break resolved',
            NEW.order_id, coalesce(NEW.fill_id::text, 'none'), coalesce(NEW.break_id::text, 'none')
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
    derived := CASE
        WHEN NEW.action IN ('REJECTED', 'CANCELLED') THEN NEW.action::text::order_status_enum
        -- A RECOVERED entry may end an order whose rejection or cancel was missed.
        WHEN NEW.action = 'RECOVERED' AND NEW.status IN ('REJECTED', 'CANCELLED')
            AND acted_upon.status IN ('PENDING', 'PARTIAL')
        THEN NEW.status
        ELSE acted_upon.status
    END;
    IF NEW.status <> derived THEN
        RAISE EXCEPTION 'order % is % after %, and not %; leave the status out',
            NEW.order_id, derived, NEW.action, NEW.status
            USING ERRCODE = 'check_violation', TABLE = 'execution_logs',
            CONSTRAINT = 'execution_logs_status_derived';
    END IF;
    IF NEW.venue_order_id <> acted_upon.venue_order_id THEN
        RAISE EXCEPTION 'order % is known at the venue as %, and not as %',
            NEW.order_id, acted_upon.venue_order_id, NEW.venue_order_id
            USING ERRCODE = 'check_violation', TABLE = 'execution_logs',
            CONSTRAINT = 'execution_logs_one_venue_order';
    END IF;
    NEW.sequence := nextval('execution_logs_sequence');
    NEW.trader_id := acted_upon.trader_id;
    NEW.status := derived;
    NEW.timestamp := greatest(
        clock_timestamp(), acted_upon.updated_at + interval '1 microsecond'
    );
    NEW.created_at := NEW.timestamp;
    NEW.acted_by := session_user;
    NEW.acted_as := coalesce(nullif(current_setting('role'), 'none'), session_user);
    RETURN NEW;
END
$$;

CREATE FUNCTION execution_logs_derive() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    entries execution_logs[];
    most bigint := 1;
    moved bigint;
    left_over bigint;
    refused record;
BEGIN
    SELECT array_agg(logged), count(*) INTO entries, left_over FROM logged;
    IF left_over > 1 THEN
        SELECT max(entries_of_order) INTO most FROM (
            SELECT count(*) AS entries_of_order FROM unnest(entries) GROUP BY order_id
        ) AS each;
    END IF;
    -- Round 1 applies the first entry of each order, round 2 the second, and so on.
    FOR round IN 1..most LOOP
        UPDATE orders SET
            status = entry.status,
            venue_order_id = coalesce(orders.venue_order_id, entry.venue_order_id),
            updated_at = entry.timestamp
        FROM (
            SELECT order_id, action, status, venue_order_id, timestamp,
                row_number() OVER (PARTITION BY order_id ORDER BY sequence) AS place
            FROM unnest(entries)
        ) AS entry
        WHERE orders.id = entry.order_id AND place = round
            -- Locked since the entry was stamped, so only another row of this statement can have changed it.
            AND orders.updated_at < entry.timestamp
            AND (orders.venue_order_id = entry.venue_order_id) IS NOT FALSE
            AND (
                orders.status = entry.status AND action NOT IN ('REJECTED', 'CANCELLED')
                OR orders.status IN ('PENDING', 'PARTIAL') AND entry.status IN ('REJECTED', 'CANCELLED')
            );
        GET DIAGNOSTICS moved = ROW_COUNT;
        left_over := left_over - moved;
    END LOOP;
    IF left_over > 0 THEN
        SELECT order_id, action INTO refused FROM unnest(entries) AS entry
        JOIN orders ON orders.id = order_id
        WHERE NOT EXISTS (
            SELECT FROM unnest(entries) AS last
            WHERE last.order_id = orders.id AND last.timestamp = orders.updated_at
        );
        RAISE EXCEPTION 'order %: another row of the same statement moves it before %; use a '
            'statement for each', refused.order_id, refused.action
            USING ERRCODE = 'check_violation', TABLE = 'orders', CONSTRAINT = 'orders_transition';
    END IF;
    RETURN NULL;
END
$$;

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
    REFERENCING NEW TABLE AS logged
    FOR EACH STATEMENT WHEN (current_user <> 'blotter_ledger')
    EXECUTE FUNCTION execution_logs_derive();

CALL blotter_settle_ledger(
    'execution_logs_require_order', 'execution_logs_stamp', 'execution_logs_derive'
);

-- A plan cached while a table is empty reads the whole table once it has grown. These settings come after
-- the search path, which must be the first setting of each function.
CALL blotter_lend_ledger();
ALTER FUNCTION execution_logs_derive() SET enable_seqscan = off;
CALL blotter_settle_ledger('execution_logs_derive');
