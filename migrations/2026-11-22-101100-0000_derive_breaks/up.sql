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

-- Logs, for an order, what was done about a break that names it or was booked to it, and counts the break if it is new.
CREATE FUNCTION blotter_log_break(order_id uuid, break_id uuid, new_breaks integer, says text) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    -- 1 if the break names the order: one that was recorded while its order was being submitted has not been
    -- counted.
    at_least CONSTANT integer := (
        SELECT pg_catalog.count(*) FROM breaks WHERE breaks.id = $2 AND breaks.order_id = $1
    );
    clock CONSTANT timestamptz := pg_catalog.clock_timestamp();
    concerned record;
BEGIN
    UPDATE orders SET
        break_count = greatest(break_count + new_breaks, at_least),
        updated_at = blotter_next_change(clock, updated_at)
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

-- Returns the fill that a bust or a correction refers to and the amendments of that fill, in their sequence: the
-- last one is the row that counts. Null if it refers to no fill of the order chain, or to several.
--
-- The fill with this execution id and source is meant. A source may end in a day, as in "XNAS 2026-03-02", where
-- ids start again each day: then it is the last fill before the amendment whose source differs in the day only.
-- Since a bust is final, its id means a fill of an earlier day if there is one. Otherwise it is the only fill with
-- this execution id, whatever its source. A fill without an execution id is referred to by its own id, or by that of
-- the break that it was booked from, which an export has.
CREATE FUNCTION blotter_amended_fills(of_order uuid, by_source text, refers_to text, at timestamptz)
RETURNS uuid[] LANGUAGE plpgsql STABLE SECURITY DEFINER AS $$
DECLARE
    chain CONSTANT uuid := (SELECT root_id FROM orders WHERE id = of_order);
    day CONSTANT text := ' [0-9]{4}-[0-9]{2}-[0-9]{2}$';
    meant uuid;
    rank integer;
    sources bigint;
BEGIN
    WITH of_sources AS (
        -- A fill comes before a correction with the same execution id, and that before a bust.
        SELECT DISTINCT ON (source::text) id, source::text AS source, timestamp, is_bust
        FROM fills WHERE root_id = chain AND execution_id::text = refers_to
        ORDER BY source::text, amends IS NOT NULL, is_bust
    ), ranked AS (
        SELECT id, source, timestamp, CASE
                WHEN source = by_source AND NOT is_bust THEN 1
                WHEN NOT is_bust AND timestamp <= at AND pg_catalog.regexp_replace(source, day, '')
                    = pg_catalog.regexp_replace(by_source, day, '')
                THEN 2
                WHEN source = by_source THEN 3
                ELSE 4
            END AS rank
        FROM of_sources
    )
    SELECT ranked.id, ranked.rank, count(*) OVER () INTO meant, rank, sources
    FROM ranked ORDER BY ranked.rank, timestamp DESC, source DESC LIMIT 1;
    IF rank = 4 AND sources > 1 THEN
        RETURN NULL;
    ELSIF meant IS NULL AND refers_to ~ '^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$' THEN
        SELECT id INTO meant FROM fills
        WHERE (id = refers_to::uuid OR break_id = refers_to::uuid) AND root_id = chain
        ORDER BY id <> refers_to::uuid LIMIT 1;
    END IF;
    RETURN (
        WITH RECURSIVE amended AS (
            SELECT meant AS id, 1 AS place WHERE meant IS NOT NULL
            UNION ALL
            SELECT fills.id, place + 1 FROM fills JOIN amended ON fills.amends = amended.id
        )
        SELECT pg_catalog.array_agg(id ORDER BY place) FROM amended
    );
END
$$;

CREATE FUNCTION break_resolutions_stamp() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    resolved breaks;
    amended uuid[];
    recorded record;
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
    -- Otherwise an execution would move from one trader to another, and the one that the break was reported for
    -- would see it as open for ever.
    PERFORM FROM orders WHERE id = resolved.order_id AND trader_id <> NEW.trader_id;
    IF NEW.is_booked AND (FOUND OR resolved.trader_id <> NEW.trader_id) THEN
        RAISE EXCEPTION 'break % is of another trader than order %; dismiss it, and record the execution '
            'for that order', NEW.break_id, NEW.order_id
            USING ERRCODE = 'check_violation', TABLE = 'break_resolutions',
            CONSTRAINT = 'break_resolutions_order';
    END IF;
    -- Whoever sees the break sees its resolution.
    NEW.trader_id := coalesce(resolved.trader_id, NEW.trader_id);
    NEW.fill_id := NULL;
    IF NEW.is_booked THEN
        IF resolved.refers_to IS NOT NULL THEN
            -- Booked to the order of the fill that it amends, which may be another order of the chain.
            amended := blotter_amended_fills(
                NEW.order_id, resolved.source::text, resolved.refers_to::text, resolved.timestamp
            );
            NEW.order_id := coalesce(
                (SELECT order_id FROM fills WHERE id = amended[1]), NEW.order_id
            );
        END IF;
        -- The execution may have been recorded meanwhile: by another feed, or when its order arrived.
        SELECT id, order_id INTO recorded FROM fills
        WHERE root_id = (SELECT root_id FROM orders WHERE id = NEW.order_id)
            AND execution_id::text = resolved.execution_id::text AND source::text = resolved.source::text
            AND timestamp = resolved.timestamp AND is_bust = resolved.is_bust
            AND CASE
                WHEN resolved.refers_to IS NULL THEN amends IS NULL
                ELSE amends = ANY (amended)
            END
            AND (
                is_bust
                OR quantity_filled::numeric = resolved.quantity AND price_at_fill = resolved.price
                AND commission = resolved.commission AND rebate = resolved.rebate
            );
        NEW.order_id := coalesce(recorded.order_id, NEW.order_id);
        NEW.fill_id := coalesce(recorded.id, pg_catalog.gen_random_uuid());
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
    amended uuid[];
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
        amended := blotter_amended_fills(
            NEW.order_id, resolved.source::text, resolved.refers_to::text, resolved.timestamp
        );
        IF amended IS NULL THEN
            RAISE EXCEPTION 'break %: the chain of order % has no fill % at %, and not exactly one elsewhere',
                NEW.break_id, NEW.order_id, resolved.refers_to, resolved.source
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
        -- An amendment has the venue of the fill.
        CASE WHEN amended IS NULL THEN resolved.venue END,
        CASE WHEN resolved.is_bust THEN 0 ELSE resolved.commission END,
        CASE WHEN resolved.is_bust THEN 0 ELSE resolved.rebate END,
        resolved.source, resolved.execution_id, amended[pg_catalog.array_upper(amended, 1)],
        resolved.is_bust, NEW.break_id
    );
    RETURN NULL;
END
$$;

-- Prevents a break that carries another trader, author or time than the true one.
CREATE TRIGGER breaks_stamp BEFORE INSERT ON breaks
    FOR EACH ROW EXECUTE FUNCTION breaks_stamp();

-- Prevents a break that no seal covers, or that has a number of the client's choice.
CREATE TRIGGER breaks_number BEFORE INSERT ON breaks
    FOR EACH ROW EXECUTE FUNCTION blotter_number_row();

-- Prevents a refused execution that is missing from the log of its order.
CREATE TRIGGER breaks_log AFTER INSERT ON breaks
    FOR EACH ROW WHEN (NEW.order_id IS NOT NULL) EXECUTE FUNCTION breaks_log();

-- Prevents a resolution that carries another author or time than the true one, or a fill of another execution.
CREATE TRIGGER break_resolutions_stamp BEFORE INSERT ON break_resolutions
    FOR EACH ROW EXECUTE FUNCTION break_resolutions_stamp();

-- Prevents a resolution that no seal covers, or that has a number of the client's choice.
CREATE TRIGGER break_resolutions_number BEFORE INSERT ON break_resolutions
    FOR EACH ROW EXECUTE FUNCTION blotter_number_row();

-- Prevents a booked break without a fill, and a resolution that is missing from the log of its order.
CREATE TRIGGER break_resolutions_book AFTER INSERT ON break_resolutions
    FOR EACH ROW EXECUTE FUNCTION break_resolutions_book();

GRANT EXECUTE ON FUNCTION blotter_amended_fills(uuid, text, text, timestamptz) TO blotter_engine;
CALL blotter_settle_ledger(
    'breaks_stamp', 'blotter_log_break', 'breaks_log', 'blotter_amended_fills',
    'break_resolutions_stamp', 'break_resolutions_book'
);
