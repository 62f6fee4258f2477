-- Promises that a break names the true trader, author and time, that booking it records the fill, and that the
-- log of each order concerned records the break and its resolution.

CALL blotter_lend_ledger();

CREATE FUNCTION breaks_stamp() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    owner uuid;
BEGIN
    SELECT trader_id INTO owner FROM orders WHERE id = NEW.order_id;
    NEW.trader_id := coalesce(owner, NEW.trader_id);
    NEW.source := coalesce(NEW.source, NEW.venue);
    NEW.created_at := pg_catalog.clock_timestamp();
    NEW.acted_by := session_user;
    NEW.acted_as := coalesce(nullif(pg_catalog.current_setting('role'), 'none'), session_user);
    RETURN NEW;
END
$$;

-- Logs, for an order, what was done about a break that names it, and counts the break if it is new.
CREATE FUNCTION blotter_log_break(order_id uuid, break_id uuid, new_breaks integer, says text) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    concerned record;
BEGIN
    UPDATE orders SET
        -- At least 1: a break that was recorded while its order was being submitted has not been counted.
        break_count = greatest(break_count + new_breaks, 1),
        updated_at = greatest(pg_catalog.clock_timestamp(), updated_at + interval '1 microsecond')
    WHERE id = $1 RETURNING trader_id, status, updated_at INTO concerned;
    INSERT INTO execution_logs (
        sequence, order_id, trader_id, action, status, timestamp, created_at, break_id, reason
    ) VALUES (
        pg_catalog.nextval('execution_logs_sequence'::regclass), $1, concerned.trader_id, 'RECOVERED',
        concerned.status, concerned.updated_at, concerned.updated_at, $2, pg_catalog.left(says, 1000)
    );
END
$$;

CREATE FUNCTION breaks_log() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    PERFORM FROM orders WHERE id = NEW.order_id;
    IF FOUND THEN
        PERFORM blotter_log_break(NEW.order_id, NEW.id, 1, 'break: ' || NEW.detail);
    END IF;
    RETURN NULL;
END
$$;

CREATE FUNCTION break_resolutions_stamp() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    resolved breaks;
BEGIN
    SELECT * INTO resolved FROM breaks WHERE id = NEW.break_id;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'there is no break %', NEW.break_id
            USING ERRCODE = 'foreign_key_violation', TABLE = 'break_resolutions',
            CONSTRAINT = 'fk_break_resolutions_break_id';
    END IF;
    IF NOT NEW.is_booked AND NEW.order_id IS NOT NULL THEN
        RAISE EXCEPTION 'the resolution dismisses break % and so books it to no order; leave order % out',
            NEW.break_id, NEW.order_id
            USING ERRCODE = 'check_violation', TABLE = 'break_resolutions',
            CONSTRAINT = 'break_resolutions_order';
    END IF;
    IF NEW.is_booked AND resolved.reason::text IN ('TOTALS', 'INVALID_ORDER', 'UNAPPLIED_ACTION') THEN
        RAISE EXCEPTION 'break % is %, and no execution to book; record what is missing, and dismiss it',
            NEW.break_id,
            CASE resolved.reason::text
                WHEN 'TOTALS' THEN 'of the totals of order ' || resolved.order_id::text
                WHEN 'INVALID_ORDER' THEN 'an order that cannot be stored'
                ELSE 'an action that could not be applied'
            END
            USING ERRCODE = 'check_violation', TABLE = 'break_resolutions',
            CONSTRAINT = 'break_resolutions_execution';
    END IF;
    NEW.order_id := coalesce(NEW.order_id, resolved.order_id);
    SELECT trader_id INTO NEW.trader_id FROM orders WHERE id = NEW.order_id;
    IF NOT FOUND AND NEW.is_booked THEN
        RAISE EXCEPTION 'break % can''t be booked to order %, which is not there; say which order it is',
            NEW.break_id, coalesce(NEW.order_id::text, 'none')
            USING ERRCODE = 'check_violation', TABLE = 'break_resolutions',
            CONSTRAINT = 'break_resolutions_order';
    ELSIF NOT FOUND THEN
        NEW.order_id := NULL;
    END IF;
    -- Otherwise the trader of the order that the break names would see it as open for ever.
    PERFORM FROM orders WHERE id = resolved.order_id AND trader_id <> NEW.trader_id;
    IF FOUND THEN
        RAISE EXCEPTION 'break % is of an order of another trader than order %; dismiss it, and record '
            'the execution for that order', NEW.break_id, NEW.order_id
            USING ERRCODE = 'check_violation', TABLE = 'break_resolutions',
            CONSTRAINT = 'break_resolutions_order';
    END IF;
    NEW.fill_id := NULL;
    IF NEW.is_booked THEN
        -- The execution may have been recorded meanwhile: by another feed, or when its order arrived.
        SELECT id INTO NEW.fill_id FROM fills
        WHERE order_id = NEW.order_id AND source::text = resolved.source::text
            AND execution_id::text = resolved.execution_id::text AND timestamp = resolved.timestamp
            AND is_bust = resolved.is_bust
            AND CASE WHEN resolved.refers_to IS NULL THEN amends IS NULL ELSE amends IN (
                WITH RECURSIVE chain AS (
                    (
                        SELECT id FROM fills
                        WHERE order_id = NEW.order_id AND source::text = resolved.source::text
                            AND execution_id::text = resolved.refers_to::text
                        ORDER BY amends IS NOT NULL, is_bust LIMIT 1
                    )
                    UNION ALL
                    SELECT fills.id FROM fills JOIN chain ON fills.amends = chain.id
                )
                SELECT id FROM chain
            ) END
            AND (
                is_bust
                OR quantity_filled::numeric = resolved.quantity AND price_at_fill = resolved.price
                AND commission = resolved.commission AND rebate = resolved.rebate
            );
        NEW.fill_id := coalesce(NEW.fill_id, pg_catalog.gen_random_uuid());
    END IF;
    NEW.created_at := pg_catalog.clock_timestamp();
    NEW.acted_by := session_user;
    NEW.acted_as := coalesce(nullif(pg_catalog.current_setting('role'), 'none'), session_user);
    RETURN NEW;
END
$$;

CREATE FUNCTION break_resolutions_book() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    resolved breaks;
    amended uuid;
    scale integer;
BEGIN
    SELECT * INTO resolved FROM breaks WHERE id = NEW.break_id;
    IF NOT NEW.is_booked THEN
        IF NEW.order_id IS NOT NULL THEN
            PERFORM blotter_log_break(NEW.order_id, NEW.break_id, 0, 'break dismissed: ' || NEW.reason);
        END IF;
        RETURN NULL;
    END IF;
    IF resolved.order_id <> NEW.order_id THEN
        -- Both orders are locked in the order of their ids, as batches do, so this cannot deadlock.
        PERFORM FROM orders WHERE id IN (resolved.order_id, NEW.order_id)
        ORDER BY id FOR NO KEY UPDATE;
        PERFORM FROM orders WHERE id = resolved.order_id AND trader_id = NEW.trader_id;
        IF FOUND THEN
            PERFORM blotter_log_break(
                resolved.order_id, NEW.break_id, 0, 'break booked to another order: ' || NEW.reason
            );
        END IF;
    END IF;
    PERFORM FROM fills WHERE id = NEW.fill_id;
    IF FOUND THEN
        PERFORM blotter_log_break(
            NEW.order_id, NEW.break_id, 0, 'break was recorded already: ' || NEW.reason
        );
        RETURN NULL;
    END IF;
    -- A cast to the column's type would round. For a bust the fill's own numbers count.
    scale := blotter_scale();
    IF NOT resolved.is_bust AND NOT (
        resolved.quantity = pg_catalog.trunc(resolved.quantity)
        AND resolved.quantity BETWEEN 1.0 AND 2147483647.0
        AND resolved.price = pg_catalog.round(resolved.price, scale)
        AND resolved.price > 0.0 AND resolved.price < 100000000.0
        AND resolved.commission = pg_catalog.round(resolved.commission, scale)
        AND resolved.commission >= 0.0 AND resolved.commission < 100000000.0
        AND resolved.rebate = pg_catalog.round(resolved.rebate, scale)
        AND resolved.rebate >= 0.0 AND resolved.rebate < 100000000.0
    ) THEN
        RAISE EXCEPTION 'break %: % shares at % with a commission of % and a rebate of % can''t be booked, '
            'nothing is rounded; dismiss it with the reason',
            NEW.break_id, resolved.quantity, resolved.price, resolved.commission, resolved.rebate
            USING ERRCODE = 'check_violation', TABLE = 'break_resolutions',
            CONSTRAINT = 'break_resolutions_exact';
    END IF;
    IF resolved.refers_to IS NOT NULL THEN
        -- The last amendment of the fill, which is the row that counts.
        WITH RECURSIVE chain AS (
            -- A fill comes before a correction with the same execution id, and that before a bust.
            (
                SELECT id FROM fills
                WHERE order_id = NEW.order_id AND source::text = resolved.source::text
                    AND execution_id::text = resolved.refers_to::text
                ORDER BY amends IS NOT NULL, is_bust LIMIT 1
            )
            UNION ALL
            SELECT fills.id FROM fills JOIN chain ON fills.amends = chain.id
        )
        SELECT id INTO amended FROM chain
        WHERE NOT EXISTS (SELECT FROM fills WHERE amends = chain.id);
        IF NOT FOUND THEN
            RAISE EXCEPTION 'break %: order % has no fill % at %', NEW.break_id, NEW.order_id,
                resolved.refers_to, resolved.source
                USING ERRCODE = 'foreign_key_violation', TABLE = 'fills',
                CONSTRAINT = 'fk_fills_amends';
        END IF;
    END IF;
    INSERT INTO fills (
        id, order_id, timestamp, quantity_filled, price_at_fill, venue, commission, rebate,
        source, execution_id, amends, is_bust, break_id
    ) VALUES (
        NEW.fill_id, NEW.order_id, resolved.timestamp,
        CASE WHEN NOT resolved.is_bust THEN resolved.quantity END,
        CASE WHEN NOT resolved.is_bust THEN resolved.price END,
        resolved.venue, CASE WHEN resolved.is_bust THEN 0 ELSE resolved.commission END,
        CASE WHEN resolved.is_bust THEN 0 ELSE resolved.rebate END,
        resolved.source, resolved.execution_id, amended, resolved.is_bust,
        NEW.break_id
    );
    RETURN NULL;
END
$$;

-- Prevents a break that carries another trader, author or time than the true one.
CREATE TRIGGER breaks_stamp BEFORE INSERT ON breaks
    FOR EACH ROW EXECUTE FUNCTION breaks_stamp();

-- Prevents a refused execution that is missing from the log of its order.
CREATE TRIGGER breaks_log AFTER INSERT ON breaks
    FOR EACH ROW WHEN (NEW.order_id IS NOT NULL) EXECUTE FUNCTION breaks_log();

-- Prevents a resolution that carries another author or time than the true one, or a fill of another execution.
CREATE TRIGGER break_resolutions_stamp BEFORE INSERT ON break_resolutions
    FOR EACH ROW EXECUTE FUNCTION break_resolutions_stamp();

-- Prevents a booked break without a fill, and a resolution that is missing from the log of its order.
CREATE TRIGGER break_resolutions_book AFTER INSERT ON break_resolutions
    FOR EACH ROW EXECUTE FUNCTION break_resolutions_book();

CALL blotter_settle_ledger(
    'breaks_stamp', 'blotter_log_break', 'breaks_log', 'break_resolutions_stamp',
    'break_resolutions_book'
);
