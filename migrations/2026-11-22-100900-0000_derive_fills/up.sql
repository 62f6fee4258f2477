-- Promises that a fill counts in its order's totals exactly once, that a bust or a correction supersedes the
-- fill that it amends, that no order is over-filled or filled after its end, and that the log records it.

CALL blotter_lend_ledger();

-- Cancels an order that another one has replaced. The caller has locked it.
CREATE FUNCTION blotter_end_replaced(replaced uuid, by uuid) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    ended orders;
BEGIN
    UPDATE orders SET
        status = 'CANCELLED',
        updated_at = greatest(clock_timestamp(), updated_at + interval '1 microsecond')
    WHERE id = replaced RETURNING * INTO ended;
    INSERT INTO execution_logs (
        sequence, order_id, trader_id, action, status, timestamp, created_at, reason
    ) VALUES (
        nextval('execution_logs_sequence'), replaced, ended.trader_id, 'CANCELLED', 'CANCELLED',
        ended.updated_at, ended.updated_at, 'replaced by order ' || by
    );
END
$$;

-- Refuses a fill whose execution was resolved as a break: one that was dismissed, or booked to another order,
-- must not be counted by recording it again.
CREATE FUNCTION blotter_refuse_resolved(fill fills) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    resolved record;
BEGIN
    SELECT breaks.id, is_booked, break_resolutions.order_id INTO resolved
    FROM breaks JOIN break_resolutions ON break_id = breaks.id
    WHERE breaks.venue = fill.venue AND breaks.execution_id = fill.execution_id
        AND breaks.order_id = fill.order_id AND breaks.timestamp = fill.timestamp
        AND breaks.is_bust = fill.is_bust
        AND (breaks.refers_to IS NOT NULL) = (fill.amends IS NOT NULL)
        AND breaks.reason <> 'TOTALS'
        AND (
            fill.is_bust OR breaks.quantity = fill.quantity_filled
            AND breaks.price = fill.price_at_fill AND breaks.commission = fill.commission
        );
    IF FOUND THEN
        RAISE EXCEPTION 'order %: execution % of % was break %, which was %', fill.order_id,
            fill.execution_id, fill.venue, resolved.id,
            CASE WHEN resolved.is_booked THEN 'booked to order ' || resolved.order_id ELSE 'dismissed' END
            USING ERRCODE = 'check_violation', TABLE = 'fills', CONSTRAINT = 'fills_resolved_break';
    END IF;
END
$$;

-- Runs with the caller's privileges: an order that the caller may not see and an order that does not exist
-- give the same error.
CREATE FUNCTION fills_stamp() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    amended fills;
BEGIN
    IF NEW.break_id IS NOT NULL AND current_user <> 'blotter_ledger' THEN
        RAISE EXCEPTION 'order %: a fill does not book break % by naming it; resolve the break',
            NEW.order_id, NEW.break_id
            USING ERRCODE = 'check_violation', TABLE = 'fills', CONSTRAINT = 'fills_book_break';
    END IF;
    IF NEW.amends IS NOT NULL THEN
        SELECT * INTO amended FROM fills
        WHERE id = NEW.amends AND order_id = coalesce(NEW.order_id, order_id);
        IF NOT FOUND THEN
            RAISE EXCEPTION 'there is no fill %', NEW.amends || coalesce(' of order ' || NEW.order_id, '')
                USING ERRCODE = 'foreign_key_violation', TABLE = 'fills',
                CONSTRAINT = 'fk_fills_amends';
        END IF;
        IF amended.is_bust THEN
            RAISE EXCEPTION 'fill % is a bust, which is final; record what was executed as a fill',
                NEW.amends
                USING ERRCODE = 'check_violation', TABLE = 'fills', CONSTRAINT = 'fills_amend_fill';
        END IF;
        NEW.order_id := amended.order_id;
        NEW.venue := coalesce(NEW.venue, amended.venue);
        IF NEW.is_bust THEN
            NEW.quantity_filled := coalesce(NEW.quantity_filled, amended.quantity_filled);
            NEW.price_at_fill := coalesce(NEW.price_at_fill, amended.price_at_fill);
            IF (NEW.quantity_filled, NEW.price_at_fill)
                <> (amended.quantity_filled, amended.price_at_fill)
            THEN
                RAISE EXCEPTION 'fill % is of % at %, and a bust takes back the whole of it and not % at '
                    '%; leave quantity and price out, or correct the fill',
                    NEW.amends, amended.quantity_filled, amended.price_at_fill,
                    NEW.quantity_filled, NEW.price_at_fill
                    USING ERRCODE = 'check_violation', TABLE = 'fills',
                    CONSTRAINT = 'fills_bust_whole';
            END IF;
        END IF;
    END IF;
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

-- Counts all these fills at once if each order is open and none is over-filled; returns whether it did.
-- Counting them one by one costs several times as much: PostgreSQL reads the constraints of a table again
-- for each statement in a function. Locks by id alone: with the status in the condition, a plan could scan
-- every open order.
CREATE FUNCTION blotter_count_fills(recorded fills[]) RETURNS boolean LANGUAGE plpgsql AS $$
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

-- Applies a bust or a correction: subtracts the fill that it amends, and adds the corrected one.
CREATE FUNCTION blotter_count_amendment(amendment fills) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    amended fills;
    changed orders;
    counts CONSTANT integer := CASE WHEN amendment.is_bust THEN 0 ELSE amendment.quantity_filled END;
    filled integer;
    notional numeric;
    replacement uuid;
BEGIN
    SELECT * INTO amended FROM fills WHERE id = amendment.amends;
    SELECT * INTO changed FROM orders WHERE id = amendment.order_id FOR NO KEY UPDATE;
    IF counts > changed.quantity - changed.filled_quantity + amended.quantity_filled THEN
        RAISE EXCEPTION 'order %: a correction from % to % shares would take it beyond its quantity, % '
            'of % are filled', amendment.order_id, amended.quantity_filled, counts,
            changed.filled_quantity, changed.quantity
            USING ERRCODE = 'check_violation', TABLE = 'orders',
            CONSTRAINT = 'ck_orders_filled_lte_quantity';
    END IF;
    IF amendment.execution_id IS NOT NULL AND amendment.break_id IS NULL THEN
        PERFORM blotter_refuse_resolved(amendment);
    END IF;
    filled := changed.filled_quantity - amended.quantity_filled + counts;
    notional := changed.filled_notional - amended.quantity_filled * amended.price_at_fill
        + counts * amendment.price_at_fill;
    UPDATE orders SET
        filled_quantity = filled,
        filled_notional = notional,
        average_fill_price = CASE
            WHEN filled > 0 THEN (notional + 0.000000000000000000000000000000) / filled
        END,
        status = CASE
            WHEN status IN ('REJECTED', 'CANCELLED') THEN status
            WHEN filled = quantity THEN 'FILLED'
            WHEN filled > 0 THEN 'PARTIAL'
            ELSE 'PENDING'
        END,
        updated_at = greatest(clock_timestamp(), updated_at + interval '1 microsecond')
    WHERE id = amendment.order_id RETURNING * INTO changed;
    INSERT INTO execution_logs (
        sequence, order_id, trader_id, action, status, timestamp, created_at, fill_id, break_id, reason
    ) VALUES (
        nextval('execution_logs_sequence'), amendment.order_id, amendment.trader_id, 'RECOVERED',
        changed.status, changed.updated_at, changed.updated_at, amendment.id, amendment.break_id,
        CASE WHEN amendment.is_bust THEN 'bust' ELSE 'correction' END || ' of fill ' || amendment.amends
            || coalesce(', break booked: ' || (
                SELECT reason FROM break_resolutions WHERE break_id = amendment.break_id
            ), '')
    );
    -- A bust would reopen an order that was filled and then replaced: it stays closed.
    IF changed.status IN ('PENDING', 'PARTIAL') THEN
        SELECT id INTO replacement FROM orders WHERE replaces = amendment.order_id;
        IF FOUND THEN
            PERFORM blotter_end_replaced(amendment.order_id, replacement);
        END IF;
    END IF;
END
$$;

CREATE FUNCTION fills_derive() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    new_fills fills[];
    fill fills;
    filled orders;
    booked text;
BEGIN
    SELECT array_agg(recorded) INTO new_fills FROM recorded;
    IF cardinality(new_fills) > 1 AND blotter_count_fills(new_fills) THEN
        RETURN NULL;
    END IF;
    FOREACH fill IN ARRAY coalesce(new_fills, '{}') LOOP
        IF fill.amends IS NOT NULL THEN
            PERFORM blotter_count_amendment(fill);
            CONTINUE;
        END IF;
        FOR attempt IN 1..2 LOOP
            -- The column rounds the average, halves away from zero. The extra zeros give the division enough
            -- digits that it does not round first, whatever the column's scale.
            UPDATE orders SET
                filled_quantity = filled_quantity + fill.quantity_filled,
                filled_notional = filled_notional + fill.quantity_filled * fill.price_at_fill,
                average_fill_price =
                    (filled_notional + fill.quantity_filled * fill.price_at_fill + 0.000000000000000000000000000000)
                    / (filled_quantity + fill.quantity_filled),
                status = CASE
                    WHEN status NOT IN ('PENDING', 'PARTIAL') THEN status
                    WHEN filled_quantity + fill.quantity_filled = quantity THEN 'FILLED'
                    ELSE 'PARTIAL'
                END,
                -- Timestamps of one order increase even if the server's clock is set back.
                updated_at = greatest(clock_timestamp(), updated_at + interval '1 microsecond')
            WHERE id = fill.order_id
                -- A fill booked from a break may come after the end of its order.
                AND (status IN ('PENDING', 'PARTIAL') OR fill.break_id IS NOT NULL)
                AND fill.quantity_filled <= quantity - filled_quantity
            RETURNING * INTO filled;
            EXIT WHEN FOUND;
            -- Read the order again under its lock, so that the error names its present state: a bust may have
            -- made room.
            SELECT * INTO filled FROM orders WHERE id = fill.order_id FOR NO KEY UPDATE;
            CONTINUE WHEN attempt = 1;
            IF filled.status NOT IN ('PENDING', 'PARTIAL') AND fill.break_id IS NULL THEN
                PERFORM blotter_refuse_transition(fill.order_id, filled.status, 'FILLED');
            END IF;
            RAISE EXCEPTION 'order %: a fill of % would take it beyond its quantity, % of % are filled',
                fill.order_id, fill.quantity_filled, filled.filled_quantity, filled.quantity
                USING ERRCODE = 'check_violation', TABLE = 'orders',
                CONSTRAINT = 'ck_orders_filled_lte_quantity';
        END LOOP;
        IF fill.break_id IS NOT NULL THEN
            -- Not a sub-select in the INSERT: PostgreSQL would plan it again for each fill, and few need it.
            SELECT 'break booked: ' || reason INTO booked
            FROM break_resolutions WHERE break_id = fill.break_id;
        ELSIF fill.execution_id IS NOT NULL THEN
            -- Under the order's lock, which resolving a break of this order takes too.
            PERFORM blotter_refuse_resolved(fill);
        END IF;
        INSERT INTO execution_logs (
            sequence, order_id, trader_id, action, status, timestamp, created_at, fill_id, break_id, reason
        ) VALUES (
            nextval('execution_logs_sequence'), fill.order_id, fill.trader_id,
            CASE WHEN fill.break_id IS NULL THEN 'FILLED' ELSE 'RECOVERED' END::action_enum,
            filled.status, filled.updated_at, filled.updated_at, fill.id, fill.break_id, booked
        );
    END LOOP;
    RETURN NULL;
END
$$;

-- Prevents a fill that carries another trader than its order.
CREATE TRIGGER fills_stamp BEFORE INSERT ON fills
    FOR EACH ROW EXECUTE FUNCTION fills_stamp();

-- Prevents a fill, a bust or a correction that its order's totals do not count, an over-fill, and a fill of an
-- order that has ended.
CREATE TRIGGER fills_derive AFTER INSERT ON fills
    REFERENCING NEW TABLE AS recorded
    FOR EACH STATEMENT EXECUTE FUNCTION fills_derive();

CALL blotter_settle_ledger(
    'blotter_end_replaced', 'blotter_refuse_resolved', 'fills_stamp', 'blotter_count_fills',
    'blotter_count_amendment', 'fills_derive'
);

-- A plan cached while a table is empty reads the whole table once it has grown. These settings come after
-- the search path, which must be the first setting of each function.
CALL blotter_lend_ledger();
ALTER FUNCTION fills_derive() SET enable_seqscan = off;
CALL blotter_settle_ledger('fills_derive');
