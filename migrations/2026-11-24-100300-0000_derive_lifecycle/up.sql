-- Promises that the columns and tables of the two previous migrations are derived too: log entries are
-- numbered and name their fill and who acted; an order takes the venue's id from the log, once; a replaced
-- order ends; a bust or a correction supersedes the fill that it amends; a break is booked by resolving it.

-- Only blotter_ledger may draw numbers. A gap is no proof of a missing entry: refused and rolled-back
-- statements leave gaps.
CREATE SEQUENCE execution_logs_sequence OWNED BY execution_logs.sequence;
GRANT USAGE ON SEQUENCE execution_logs_sequence TO blotter_ledger;

-- Number the stored entries by time. Link the fills of an order to its FILLED entries, one to one, where
-- there are as many of each. FORCE would hide these rows from the owner, and the guard would refuse this.
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
-- Prevents a trader from logging any action but CANCELLED, and from stating what the venue reported.
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

-- Cancels the order that a new one replaces.
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
        -- Written although nothing changes: a concurrent bust that would reopen this order does not see the
        -- replacement yet, and must wait for this row instead.
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
    -- The LIMIT keeps the planner from a join, which in a cached plan would read the whole log.
    SELECT bool_or(replaces IS NOT NULL), min((
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
    IF replacing THEN
        FOR replacement IN SELECT * FROM submitted WHERE replaces IS NOT NULL LOOP
            PERFORM blotter_replace(replacement);
        END LOOP;
    END IF;
    RETURN NULL;
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

-- Counts all these fills at once if each order is open and none is over-filled; returns whether it did.
-- Counting them one by one costs several times as much: PostgreSQL reads the constraints of a table again
-- for each statement in a function.
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
        SELECT FROM unnest(order_ids, shares) AS filled (order_id, shares)
        JOIN orders ON id = order_id
        WHERE status IN ('PENDING', 'PARTIAL') AND filled.shares <= quantity - filled_quantity
        ORDER BY id FOR NO KEY UPDATE OF orders
    ) AS locked;
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

CREATE FUNCTION breaks_stamp() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    SELECT trader_id INTO NEW.trader_id FROM orders WHERE id = NEW.order_id;
    NEW.created_at := clock_timestamp();
    NEW.acted_by := session_user;
    NEW.acted_as := coalesce(nullif(current_setting('role'), 'none'), session_user);
    RETURN NEW;
END
$$;

-- Logs, for an order, what was done about a break that names it.
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
        RAISE EXCEPTION 'the resolution dismisses break % and so books it to no order; leave order % out',
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
        -- Both orders are locked in the order of their ids, as batches do, so this cannot deadlock.
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
    -- A cast to the column's type would round. For a bust the fill's own numbers count.
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
        -- The last amendment of the fill, which is the row that counts.
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

-- Prevents an order without a SUBMITTED entry, and a replaced order that stays open beside its replacement.
CREATE OR REPLACE TRIGGER orders_log_submitted AFTER INSERT ON orders
    REFERENCING NEW TABLE AS submitted
    FOR EACH STATEMENT EXECUTE FUNCTION orders_log_submitted();
-- Prevents an order that stays open after a REJECTED or CANCELLED entry.
CREATE OR REPLACE TRIGGER execution_logs_derive AFTER INSERT ON execution_logs
    REFERENCING NEW TABLE AS logged
    FOR EACH STATEMENT WHEN (current_user <> 'blotter_ledger')
    EXECUTE FUNCTION execution_logs_derive();
-- Prevents a fill, a bust or a correction that its order's totals do not count, an over-fill, and a fill of an
-- order that has ended.
CREATE OR REPLACE TRIGGER fills_derive AFTER INSERT ON fills
    REFERENCING NEW TABLE AS recorded
    FOR EACH STATEMENT EXECUTE FUNCTION fills_derive();

-- Prevents a break that carries another trader, author or time than the true one.
CREATE TRIGGER breaks_stamp BEFORE INSERT ON breaks
    FOR EACH ROW EXECUTE FUNCTION breaks_stamp();
-- Prevents a refused execution that is missing from the log of its order.
CREATE TRIGGER breaks_log AFTER INSERT ON breaks
    FOR EACH ROW WHEN (NEW.trader_id IS NOT NULL) EXECUTE FUNCTION breaks_log();
-- Prevents a resolution that carries another author or time than the true one, or a fill of another execution.
CREATE TRIGGER break_resolutions_stamp BEFORE INSERT ON break_resolutions
    FOR EACH ROW EXECUTE FUNCTION break_resolutions_stamp();
-- Prevents a booked break without a fill, and a resolution that is missing from the log of its order.
CREATE TRIGGER break_resolutions_book AFTER INSERT ON break_resolutions
    FOR EACH ROW EXECUTE FUNCTION break_resolutions_book();

CALL blotter_settle_ledger(
    'orders_admit', 'orders_log_submitted', 'blotter_replace', 'blotter_end_replaced',
    'blotter_refuse_resolved', 'fills_stamp', 'fills_derive', 'blotter_count_fills',
    'blotter_count_amendment', 'execution_logs_stamp', 'execution_logs_derive',
    'breaks_stamp',
    'breaks_log', 'blotter_log_break', 'break_resolutions_stamp', 'break_resolutions_book'
);
