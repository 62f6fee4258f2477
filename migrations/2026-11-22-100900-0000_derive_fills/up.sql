-- Promises that a fill counts in its order's totals exactly once, that a bust or a correction supersedes the
-- fill that it amends, that no order is over-filled or filled after its end, and that the log records it.

CALL blotter_lend_ledger();

-- Refuses a fill whose execution was resolved as a break: one that was dismissed, or booked to another order,
-- must not be counted by recording it again.
CREATE FUNCTION blotter_refuse_resolved(fill fills) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    resolved record;
BEGIN
    SELECT breaks.id, is_booked, break_resolutions.order_id INTO resolved
    FROM breaks JOIN break_resolutions ON break_id = breaks.id
    WHERE breaks.source::text = fill.source::text AND breaks.execution_id::text = fill.execution_id::text
        -- An amendment may name any order of the chain, whichever has the fill.
        AND (
            breaks.order_id = fill.order_id
            OR fill.amends IS NOT NULL
            AND EXISTS (SELECT FROM orders WHERE id = breaks.order_id AND root_id = fill.root_id)
        )
        AND breaks.timestamp = fill.timestamp
        AND breaks.is_bust = fill.is_bust
        AND (breaks.refers_to IS NOT NULL) = (fill.amends IS NOT NULL)
        AND breaks.reason::text NOT IN ('TOTALS', 'UNAPPLIED_ACTION')
        AND (
            fill.is_bust OR breaks.quantity = fill.quantity_filled::numeric
            AND breaks.price = fill.price_at_fill AND breaks.commission = fill.commission
            AND breaks.rebate = fill.rebate
        );
    IF FOUND THEN
        RAISE EXCEPTION 'order %: execution % of % was break %, which was %', fill.order_id,
            fill.execution_id, fill.source, resolved.id,
            CASE
                WHEN resolved.is_booked THEN 'booked to order ' || resolved.order_id::text
                ELSE 'dismissed'
            END
            USING ERRCODE = 'check_violation', TABLE = 'fills', CONSTRAINT = 'fills_resolved_break';
    END IF;
END
$$;

-- Returns the rule that a new fill breaks; null if it breaks none. Rows must be readable, as in
-- blotter_order_rule.
CREATE FUNCTION blotter_fill_rule(
    venue text, source text, execution_id text, is_amendment boolean, is_bust boolean, price numeric,
    commission numeric, rebate numeric, at timestamptz
) RETURNS text LANGUAGE sql IMMUTABLE RETURN CASE
    WHEN venue !~ '[^[:space:]]' THEN 'ck_fills_venue_not_blank'
    WHEN source !~ '[^[:space:]]' THEN 'ck_fills_source_not_blank'
    WHEN execution_id !~ '[^[:space:]]' THEN 'ck_fills_execution_id_not_blank'
    WHEN venue || source || coalesce(execution_id, '') ~ '[\u0001-\u001F\u007F-\u009F]'
    THEN 'ck_fills_no_control_characters'
    WHEN is_bust AND NOT is_amendment THEN 'ck_fills_bust_amends'
    WHEN price = 'NaN' THEN 'ck_fills_price_not_nan'
    WHEN commission = 'NaN' THEN 'ck_fills_commission_not_nan'
    WHEN rebate < 0 OR rebate = 'NaN' THEN 'ck_fills_rebate_nonnegative'
    WHEN greatest(price, commission, rebate) >= 100000000 THEN 'ck_fills_money_in_range'
    WHEN NOT (at BETWEEN '0001-01-01 00:00:00+00' AND '9999-12-31 23:59:59.999999+00') THEN 'ck_fills_timestamp_readable'
END;

-- Runs with the caller's privileges: an order that the caller may not see and an order that does not exist
-- give the same error.
CREATE FUNCTION fills_stamp() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    amended fills;
    broken text;
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
            RAISE EXCEPTION 'there is no fill %',
                NEW.amends::text || coalesce(' of order ' || NEW.order_id::text, '')
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
        NEW.source := coalesce(NEW.source, amended.source);
        IF NEW.is_bust THEN
            NEW.quantity_filled := coalesce(NEW.quantity_filled, amended.quantity_filled);
            NEW.price_at_fill := coalesce(NEW.price_at_fill, amended.price_at_fill);
            IF NEW.quantity_filled <> amended.quantity_filled
                OR NEW.price_at_fill <> amended.price_at_fill
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
    NEW.source := coalesce(NEW.source, NEW.venue);
    broken := blotter_fill_rule(
        NEW.venue, NEW.source, NEW.execution_id, NEW.amends IS NOT NULL, NEW.is_bust, NEW.price_at_fill,
        NEW.commission, NEW.rebate, NEW.timestamp
    );
    IF broken IS NOT NULL THEN
        RAISE EXCEPTION 'new row for relation "fills" violates check constraint "%"', broken
            USING ERRCODE = 'check_violation', TABLE = 'fills', CONSTRAINT = broken,
            DETAIL = 'Failing row contains ' || NEW::text || '.';
    END IF;
    SELECT trader_id, root_id INTO NEW.trader_id, NEW.root_id FROM orders WHERE id = NEW.order_id;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'there is no order %', NEW.order_id
            USING ERRCODE = 'foreign_key_violation', TABLE = 'fills',
            CONSTRAINT = 'fk_fills_order_id';
    END IF;
    NEW.created_at := pg_catalog.clock_timestamp();
    RETURN NEW;
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
    clock timestamptz;
    has_ended boolean;
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
    notional := changed.filled_notional - amended.quantity_filled::numeric * amended.price_at_fill
        + counts::numeric * amendment.price_at_fill;
    clock := pg_catalog.clock_timestamp();
    has_ended := changed.status::text IN ('REJECTED', 'CANCELLED');
    UPDATE orders SET
        filled_quantity = filled,
        filled_notional = notional,
        average_fill_price = CASE
            WHEN filled > 0 THEN (notional + 0.000000000000000000000000000000) / filled::numeric
        END,
        status = CASE
            WHEN has_ended THEN status
            WHEN filled = quantity THEN 'FILLED'
            WHEN filled > 0 THEN 'PARTIAL'
            ELSE 'PENDING'
        END,
        updated_at = blotter_next_change(clock, updated_at)
    WHERE id = amendment.order_id RETURNING * INTO changed;
    INSERT INTO execution_logs (
        sequence, order_id, trader_id, action, status, timestamp, created_at, fill_id, break_id, reason
    ) VALUES (
        pg_catalog.nextval('execution_logs_sequence'::regclass), amendment.order_id, amendment.trader_id,
        'RECOVERED', changed.status, changed.updated_at, changed.updated_at, amendment.id,
        amendment.break_id,
        CASE WHEN amendment.is_bust THEN 'bust' ELSE 'correction' END
            || ' of fill ' || amendment.amends::text
            || coalesce(', ' || blotter_booked_reason(amendment.break_id), '')
    );
    -- A bust would reopen an order that was filled and then replaced: it stays closed.
    IF changed.status::text IN ('PENDING', 'PARTIAL') THEN
        SELECT id INTO replacement FROM orders WHERE replaces = amendment.order_id;
        IF FOUND THEN
            PERFORM blotter_end_replaced(amendment.order_id, replacement);
        END IF;
    END IF;
END
$$;

-- Returns what the log says about a fill that was booked from this break; null without a break.
CREATE FUNCTION blotter_booked_reason(booked uuid) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    IF booked IS NULL THEN
        RETURN NULL;
    END IF;
    RETURN (SELECT 'break booked: ' || reason FROM break_resolutions WHERE break_id = booked);
END
$$;

-- Refuses a fill for which its order has no room or which comes after its end. Locks the order, so that the
-- error names its present state; returns at the first attempt if a bust has made room meanwhile.
CREATE FUNCTION blotter_refuse_fill(fill fills, attempt integer) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    filled record;
BEGIN
    SELECT status, quantity, filled_quantity INTO filled
    FROM orders WHERE id = fill.order_id FOR NO KEY UPDATE;
    IF filled.status::text NOT IN ('PENDING', 'PARTIAL') AND fill.break_id IS NULL THEN
        PERFORM blotter_refuse_transition(fill.order_id, filled.status, 'FILLED');
    ELSIF fill.quantity_filled > filled.quantity - filled.filled_quantity THEN
        RAISE EXCEPTION 'order %: a fill of % would take it beyond its quantity, % of % are filled',
            fill.order_id, fill.quantity_filled, filled.filled_quantity, filled.quantity
            USING ERRCODE = 'check_violation', TABLE = 'orders',
            CONSTRAINT = 'ck_orders_filled_lte_quantity';
    ELSIF attempt > 1 THEN
        RAISE EXCEPTION 'order %: blotter_ledger cannot update it', fill.order_id
            USING ERRCODE = 'insufficient_privilege';
    END IF;
END
$$;

CREATE FUNCTION fills_derive() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    notional CONSTANT numeric := NEW.quantity_filled::numeric * NEW.price_at_fill;
    clock timestamptz;
    filled record;
BEGIN
    IF NEW.amends IS NOT NULL THEN
        PERFORM blotter_count_amendment(ROW (NEW.*)::fills);
        RETURN NULL;
    END IF;
    FOR attempt IN 1..2 LOOP
        clock := pg_catalog.clock_timestamp();
        -- The column rounds the average, halves away from zero. The extra zeros give the division enough
        -- digits that it does not round first, whatever the column's scale.
        UPDATE orders SET
            filled_quantity = filled_quantity + NEW.quantity_filled,
            filled_notional = filled_notional + notional,
            average_fill_price = (filled_notional + notional + 0.000000000000000000000000000000)
                / (filled_quantity + NEW.quantity_filled)::numeric,
            status = CASE
                WHEN NOT blotter_is_open(status) THEN status
                WHEN filled_quantity + NEW.quantity_filled = quantity THEN 'FILLED'
                ELSE 'PARTIAL'
            END,
            updated_at = blotter_next_change(clock, updated_at)
        WHERE id = NEW.order_id
            -- A fill booked from a break may come after the end of its order.
            AND (blotter_is_open(status) OR NEW.break_id IS NOT NULL)
            AND NEW.quantity_filled <= quantity - filled_quantity
        RETURNING status, updated_at, break_count INTO filled;
        EXIT WHEN FOUND;
        PERFORM blotter_refuse_fill(ROW (NEW.*)::fills, attempt);
    END LOOP;
    IF filled.break_count > 0 AND NEW.break_id IS NULL AND NEW.execution_id IS NOT NULL THEN
        -- Under the order's lock, which resolving a break of this order takes too.
        PERFORM blotter_refuse_resolved(ROW (NEW.*)::fills);
    END IF;
    INSERT INTO execution_logs (
        sequence, order_id, trader_id, action, status, timestamp, created_at, fill_id, break_id, reason
    ) VALUES (
        pg_catalog.nextval('execution_logs_sequence'::regclass), NEW.order_id, NEW.trader_id,
        CASE WHEN NEW.break_id IS NULL THEN 'FILLED' ELSE 'RECOVERED' END::action_enum,
        filled.status, filled.updated_at, filled.updated_at, NEW.id, NEW.break_id,
        CASE WHEN NEW.break_id IS NOT NULL THEN blotter_booked_reason(NEW.break_id) END
    );
    RETURN NULL;
END
$$;

-- Prevents a fill that carries another trader or order chain than its order, or values that cannot be read. A
-- batch function of blotter_ledger has made the same checks; a fill that it books from a break it has not.
CREATE TRIGGER fills_stamp BEFORE INSERT ON fills
    FOR EACH ROW WHEN (current_user <> 'blotter_ledger' OR NEW.break_id IS NOT NULL)
    EXECUTE FUNCTION fills_stamp();

-- Prevents a fill, a bust or a correction that its order's totals do not count, an over-fill, and a fill of an
-- order that has ended.
CREATE TRIGGER fills_derive AFTER INSERT ON fills
    FOR EACH ROW WHEN (current_user <> 'blotter_ledger' OR NEW.break_id IS NOT NULL)
    EXECUTE FUNCTION fills_derive();

CALL blotter_settle_ledger(
    'blotter_refuse_resolved', 'blotter_fill_rule', 'fills_stamp', 'blotter_count_amendment',
    'blotter_booked_reason', 'blotter_refuse_fill', 'fills_derive'
);
