-- Promises that what is new in the columns and tables of the two migrations before is derived as the rest
-- is: the log says which fill and who acted, in numbered entries; the venue's id of an order comes from
-- the log, once; a replaced order ends; a bust or a correction counts in the place of what it amends; and
-- a break is booked by resolving it.

-- Nobody but blotter_ledger may draw numbers. Gaps prove nothing all the same: what is refused or rolled
-- back leaves one.
CREATE SEQUENCE execution_logs_sequence OWNED BY execution_logs.sequence;
GRANT USAGE ON SEQUENCE execution_logs_sequence TO blotter_ledger;

-- What is stored already: numbered by time, the fills of an order to its FILLED entries one by one where
-- there are as many of both. FORCE would hide it from the owner, and the guard refuse it.
ALTER TABLE fills NO FORCE ROW LEVEL SECURITY;
ALTER TABLE execution_logs NO FORCE ROW LEVEL SECURITY, DISABLE TRIGGER execution_logs_keep_values;

UPDATE execution_logs SET sequence = numbered.sequence
FROM (
    SELECT id, row_number() OVER (ORDER BY timestamp, id)
        + (SELECT coalesce(max(sequence), 0) FROM execution_logs) AS sequence
    FROM execution_logs WHERE sequence IS NULL
) AS numbered
WHERE numbered.id = execution_logs.id;

UPDATE execution_logs SET fill_id = filled.fill_id
FROM (
    SELECT entry.id, fill.id AS fill_id
    FROM (
        SELECT id, order_id,
            row_number() OVER (PARTITION BY order_id ORDER BY sequence) AS place,
            count(*) OVER (PARTITION BY order_id) AS entries
        FROM execution_logs WHERE action = 'FILLED'
    ) AS entry
    JOIN (
        SELECT id, order_id,
            row_number() OVER (PARTITION BY order_id ORDER BY created_at, id) AS place,
            count(*) OVER (PARTITION BY order_id) AS entries
        FROM fills WHERE amends IS NULL AND break_id IS NULL
    ) AS fill USING (order_id, place, entries)
) AS filled
WHERE filled.id = execution_logs.id AND execution_logs.fill_id IS NULL;

SELECT setval('execution_logs_sequence', max(sequence)) FROM execution_logs;

ALTER TABLE execution_logs FORCE ROW LEVEL SECURITY,
    ENABLE ALWAYS TRIGGER execution_logs_keep_values;
ALTER TABLE fills FORCE ROW LEVEL SECURITY;
ALTER TABLE execution_logs ALTER COLUMN sequence SET NOT NULL;

GRANT UPDATE (venue_order_id) ON orders TO blotter_ledger;
GRANT SELECT, INSERT ON fills TO blotter_ledger;
GRANT SELECT ON execution_logs TO blotter_ledger;
CREATE POLICY execution_logs_ledger_reads ON execution_logs FOR SELECT TO blotter_ledger
    USING (true);
CREATE POLICY fills_ledger_reads ON fills FOR SELECT TO blotter_ledger USING (true);
CREATE POLICY fills_ledger_books ON fills FOR INSERT TO blotter_ledger
    WITH CHECK (break_id IS NOT NULL);
-- A trader that approves, routes, rejects or repairs its own order, or speaks for the venue.
ALTER POLICY execution_logs_trader_cancels ON execution_logs WITH CHECK (
    action = 'CANCELLED' AND error_code IS NULL AND retry_attempt IS NULL AND venue_order_id IS NULL
);

CALL blotter_lend_ledger();

CREATE OR REPLACE FUNCTION orders_admit() RETURNS trigger LANGUAGE plpgsql AS $$
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
        PERFORM FROM orders WHERE id = NEW.replaces AND trader_id = NEW.trader_id;
        IF NOT FOUND THEN
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

-- Ends an order that another one has replaced, and which is locked.
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

-- Ends the order that a new one replaces.
CREATE FUNCTION blotter_replace(replacement orders) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    replaced orders;
BEGIN
    SELECT * INTO replaced FROM orders WHERE id = replacement.replaces FOR NO KEY UPDATE;
    IF replaced.status IN ('PENDING', 'PARTIAL') THEN
        PERFORM blotter_end_replaced(replaced.id, replacement.id);
    ELSIF replaced.status <> 'FILLED' THEN
        RAISE EXCEPTION 'order % is %, which does not allow order % to replace it; only a PENDING, '
            'PARTIAL or FILLED order can be replaced', replaced.id, replaced.status, replacement.id
            USING ERRCODE = 'check_violation', TABLE = 'orders', CONSTRAINT = 'orders_transition';
    ELSE
        -- Who does not see the replacement yet, and would open the order again, has to see this first.
        UPDATE orders SET updated_at = updated_at WHERE id = replaced.id;
    END IF;
END
$$;

CREATE OR REPLACE FUNCTION orders_log_submitted() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    moved uuid;
    replacing boolean;
    replacement orders;
BEGIN
    -- The LIMIT keeps this from being a join, which in a plan that is kept would read the whole log.
    SELECT bool_or(replaces IS NOT NULL), min((
        SELECT order_id FROM execution_logs WHERE order_id = submitted.id LIMIT 1
    )::text) INTO replacing, moved FROM submitted;
    IF moved IS NOT NULL THEN
        -- Another row of the same statement sees the order before this.
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
    IF replacing THEN
        FOR replacement IN SELECT * FROM submitted WHERE replaces IS NOT NULL LOOP
            PERFORM blotter_replace(replacement);
        END LOOP;
    END IF;
    RETURN NULL;
END
$$;

-- Keeps what was said about a break: what was dismissed, or booked to another order, does not come to
-- count by another road.
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

-- As the caller, who learns no more of an order that it may not see than of one that is not there.
CREATE OR REPLACE FUNCTION fills_stamp() RETURNS trigger LANGUAGE plpgsql AS $$
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

-- Counts fills of open orders that none of them takes beyond its quantity, all at once, and says whether
-- they are such. One by one they would cost several times as much: each statement of a function has to
-- read the constraints of its table anew.
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
    -- In the order of their ids, so that no two statements wait for each other.
    SELECT count(*) INTO able FROM (
        SELECT FROM unnest(order_ids, shares) AS filled (order_id, shares)
        JOIN orders ON id = order_id
        WHERE status IN ('PENDING', 'PARTIAL') AND filled.shares <= quantity - filled_quantity
        ORDER BY id FOR NO KEY UPDATE OF orders
    ) AS locked;
    IF able < cardinality(order_ids) THEN
        RETURN false;
    END IF;
    -- Of an order with a break that was resolved: to be looked at one by one.
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
            -- A microsecond to each fill.
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

-- Counts a bust or a correction in the place of what it amends.
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
    -- What a bust has opened again of an order that was filled and then replaced is not to be filled.
    IF changed.status IN ('PENDING', 'PARTIAL') THEN
        SELECT id INTO replacement FROM orders WHERE replaces = amendment.order_id;
        IF FOUND THEN
            PERFORM blotter_end_replaced(amendment.order_id, replacement);
        END IF;
    END IF;
END
$$;

CREATE OR REPLACE FUNCTION fills_derive() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
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
            -- The column rounds the average, halves away from zero. The zeros keep the division from
            -- rounding before it, however fine the column is and however close the quotient to a half.
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
                -- Never before what has happened to the order already, though the clock be set back.
                updated_at = greatest(clock_timestamp(), updated_at + interval '1 microsecond')
            WHERE id = fill.order_id
                -- A break is booked late: its order may have ended meanwhile.
                AND (status IN ('PENDING', 'PARTIAL') OR fill.break_id IS NOT NULL)
                AND fill.quantity_filled <= quantity - filled_quantity
            RETURNING * INTO filled;
            EXIT WHEN FOUND;
            -- So that what refuses the fill is the order as it is: a bust may have made room since.
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
            -- Not in the INSERT: with a sub-select that few fills need it would be planned anew for each.
            SELECT 'break booked: ' || reason INTO booked
            FROM break_resolutions WHERE break_id = fill.break_id;
        ELSIF fill.execution_id IS NOT NULL THEN
            -- Under the lock, which who resolves a break of this order takes too.
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

CREATE OR REPLACE FUNCTION execution_logs_stamp() RETURNS trigger
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
        -- A repair may end an order whose end was missed.
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

CREATE OR REPLACE FUNCTION execution_logs_derive() RETURNS trigger
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
    -- The first entry of each order, then the second.
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
            -- The order is locked since the entry was stamped: only its own statement can have moved it.
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

CREATE FUNCTION breaks_stamp() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    SELECT trader_id INTO NEW.trader_id FROM orders WHERE id = NEW.order_id;
    NEW.created_at := clock_timestamp();
    NEW.acted_by := session_user;
    NEW.acted_as := coalesce(nullif(current_setting('role'), 'none'), session_user);
    RETURN NEW;
END
$$;

-- Says in the log of an order what was done about a break that concerns it.
CREATE FUNCTION blotter_log_break(order_id uuid, break_id uuid, says text) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    concerned orders;
BEGIN
    UPDATE orders SET
        updated_at = greatest(clock_timestamp(), updated_at + interval '1 microsecond')
    WHERE id = $1 RETURNING * INTO concerned;
    INSERT INTO execution_logs (
        sequence, order_id, trader_id, action, status, timestamp, created_at, break_id, reason
    ) VALUES (
        nextval('execution_logs_sequence'), $1, concerned.trader_id, 'RECOVERED', concerned.status,
        concerned.updated_at, concerned.updated_at, $2, left(says, 1000)
    );
END
$$;

CREATE FUNCTION breaks_log() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    PERFORM blotter_log_break(NEW.order_id, NEW.id, 'break: ' || NEW.detail);
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
        RAISE EXCEPTION 'break % is dismissed and not booked to order %; leave the order out',
            NEW.break_id, NEW.order_id
            USING ERRCODE = 'check_violation', TABLE = 'break_resolutions',
            CONSTRAINT = 'break_resolutions_order';
    END IF;
    IF NEW.is_booked AND resolved.reason = 'TOTALS' THEN
        RAISE EXCEPTION 'break % is of the totals of order %, and no execution to book; record what is '
            'missing, and dismiss it',
            NEW.break_id, resolved.order_id
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
    -- The trader of the order that was meant would see a break that is never resolved.
    PERFORM FROM orders WHERE id = resolved.order_id AND trader_id <> NEW.trader_id;
    IF FOUND THEN
        RAISE EXCEPTION 'break % is of an order of another trader than order %; dismiss it, and record '
            'the execution for that order', NEW.break_id, NEW.order_id
            USING ERRCODE = 'check_violation', TABLE = 'break_resolutions',
            CONSTRAINT = 'break_resolutions_order';
    END IF;
    NEW.fill_id := NULL;
    IF NEW.is_booked THEN
        -- It may have been recorded since: when its order came later, or by another feed.
        SELECT id INTO NEW.fill_id FROM fills
        WHERE order_id = NEW.order_id AND venue = resolved.venue
            AND execution_id = resolved.execution_id AND timestamp = resolved.timestamp
            AND is_bust = resolved.is_bust
            AND CASE WHEN resolved.refers_to IS NULL THEN amends IS NULL ELSE amends IN (
                WITH RECURSIVE chain AS (
                    SELECT id FROM fills
                    WHERE order_id = NEW.order_id AND venue = resolved.venue
                        AND execution_id = resolved.refers_to
                    UNION ALL
                    SELECT fills.id FROM fills JOIN chain ON fills.amends = chain.id
                )
                SELECT id FROM chain
            ) END
            AND (
                is_bust
                OR quantity_filled = resolved.quantity AND price_at_fill = resolved.price
                AND commission = resolved.commission
            );
        NEW.fill_id := coalesce(NEW.fill_id, gen_random_uuid());
    END IF;
    NEW.created_at := clock_timestamp();
    NEW.acted_by := session_user;
    NEW.acted_as := coalesce(nullif(current_setting('role'), 'none'), session_user);
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
            PERFORM blotter_log_break(NEW.order_id, NEW.break_id, 'break dismissed: ' || NEW.reason);
        END IF;
        RETURN NULL;
    END IF;
    IF resolved.order_id <> NEW.order_id THEN
        -- In the order of their ids, as a batch does: who resolves the other way round waits.
        PERFORM FROM orders WHERE id IN (resolved.order_id, NEW.order_id)
        ORDER BY id FOR NO KEY UPDATE;
        PERFORM FROM orders WHERE id = resolved.order_id AND trader_id = NEW.trader_id;
        IF FOUND THEN
            PERFORM blotter_log_break(
                resolved.order_id, NEW.break_id, 'break booked to another order: ' || NEW.reason
            );
        END IF;
    END IF;
    PERFORM FROM fills WHERE id = NEW.fill_id;
    IF FOUND THEN
        PERFORM blotter_log_break(
            NEW.order_id, NEW.break_id, 'break was recorded already: ' || NEW.reason
        );
        RETURN NULL;
    END IF;
    -- A cast to the column's type would round. A bust is of what it takes back.
    SELECT (atttypmod - 4) & 2047 INTO scale FROM pg_attribute
    WHERE attrelid = 'fills'::regclass AND attname = 'price_at_fill';
    IF NOT resolved.is_bust AND NOT (
        resolved.quantity = trunc(resolved.quantity)
        AND resolved.quantity BETWEEN 1 AND 2147483647
        AND resolved.price = round(resolved.price, scale)
        AND resolved.price > 0 AND resolved.price < 100000000
        AND resolved.commission = round(resolved.commission, scale)
        AND resolved.commission >= 0 AND resolved.commission < 100000000
    ) THEN
        RAISE EXCEPTION 'break %: % shares at % with a commission of % can''t be booked, nothing is '
            'rounded; dismiss it with the reason',
            NEW.break_id, resolved.quantity, resolved.price, resolved.commission
            USING ERRCODE = 'check_violation', TABLE = 'break_resolutions',
            CONSTRAINT = 'break_resolutions_exact';
    END IF;
    IF resolved.refers_to IS NOT NULL THEN
        -- The last of the rows that amend the fill, which is the one that counts.
        WITH RECURSIVE chain AS (
            SELECT id FROM fills
            WHERE order_id = NEW.order_id AND venue = resolved.venue
                AND execution_id = resolved.refers_to
            UNION ALL
            SELECT fills.id FROM fills JOIN chain ON fills.amends = chain.id
        )
        SELECT id INTO amended FROM chain
        WHERE NOT EXISTS (SELECT FROM fills WHERE amends = chain.id);
        IF NOT FOUND THEN
            RAISE EXCEPTION 'break %: order % has no fill % at %', NEW.break_id, NEW.order_id,
                resolved.refers_to, resolved.venue
                USING ERRCODE = 'foreign_key_violation', TABLE = 'fills',
                CONSTRAINT = 'fk_fills_amends';
        END IF;
    END IF;
    INSERT INTO fills (
        id, order_id, timestamp, quantity_filled, price_at_fill, venue, commission,
        execution_id, amends, is_bust, break_id
    ) VALUES (
        NEW.fill_id, NEW.order_id, resolved.timestamp,
        CASE WHEN NOT resolved.is_bust THEN resolved.quantity END,
        CASE WHEN NOT resolved.is_bust THEN resolved.price END,
        resolved.venue, CASE WHEN resolved.is_bust THEN 0 ELSE resolved.commission END,
        resolved.execution_id, amended, resolved.is_bust,
        NEW.break_id
    );
    RETURN NULL;
END
$$;

-- An order that nobody is said to have submitted; a replaced one that stays open beside the one in its
-- place.
CREATE OR REPLACE TRIGGER orders_log_submitted AFTER INSERT ON orders
    REFERENCING NEW TABLE AS submitted
    FOR EACH STATEMENT EXECUTE FUNCTION orders_log_submitted();
-- A rejected or cancelled order that stays open.
CREATE OR REPLACE TRIGGER execution_logs_derive AFTER INSERT ON execution_logs
    REFERENCING NEW TABLE AS logged
    FOR EACH STATEMENT WHEN (current_user <> 'blotter_ledger')
    EXECUTE FUNCTION execution_logs_derive();
-- A fill, a bust or a correction that its order knows nothing of; a fill beyond the order's quantity, or
-- after its end.
CREATE OR REPLACE TRIGGER fills_derive AFTER INSERT ON fills
    REFERENCING NEW TABLE AS recorded
    FOR EACH STATEMENT EXECUTE FUNCTION fills_derive();

-- A break shown to another trader than the order's, or kept by somebody else, at another time.
CREATE TRIGGER breaks_stamp BEFORE INSERT ON breaks
    FOR EACH ROW EXECUTE FUNCTION breaks_stamp();
-- A fill that was refused and is not in the trail of its order.
CREATE TRIGGER breaks_log AFTER INSERT ON breaks
    FOR EACH ROW WHEN (NEW.trader_id IS NOT NULL) EXECUTE FUNCTION breaks_log();
-- A break resolved by somebody else, at another time, or with a fill of another execution.
CREATE TRIGGER break_resolutions_stamp BEFORE INSERT ON break_resolutions
    FOR EACH ROW EXECUTE FUNCTION break_resolutions_stamp();
-- A break that is booked and has no fill, or is resolved behind the back of its order.
CREATE TRIGGER break_resolutions_book AFTER INSERT ON break_resolutions
    FOR EACH ROW EXECUTE FUNCTION break_resolutions_book();

CALL blotter_settle_ledger(
    'orders_admit', 'orders_log_submitted', 'blotter_replace', 'blotter_end_replaced',
    'blotter_refuse_resolved', 'fills_stamp', 'fills_derive', 'blotter_count_fills',
    'blotter_count_amendment', 'execution_logs_stamp', 'execution_logs_derive',
    'breaks_stamp',
    'breaks_log', 'blotter_log_break', 'break_resolutions_stamp', 'break_resolutions_book'
);
