-- Promises that an action in the log moves its order, that only possible actions are logged, and that each
-- entry has an id and a number of the database's choice, a time later than the previous one of its order, and
-- the login that acted. A trader has a number of the same sequence.

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

-- Returns the rule that a new action breaks; null if it breaks none. Rows must be readable, as in
-- blotter_order_rule.
CREATE FUNCTION blotter_action_rule(
    reason text, retry_attempt integer, error_code text, venue_order_id text, reported_at timestamptz
) RETURNS text LANGUAGE sql IMMUTABLE RETURN CASE
    WHEN length(reason) > 1000 THEN 'ck_execution_logs_reason_short'
    WHEN retry_attempt < 0 THEN 'ck_execution_logs_retry_attempt_nonnegative'
    WHEN venue_order_id !~ '[^[:space:]]' THEN 'ck_execution_logs_venue_order_id_not_blank'
    WHEN coalesce(venue_order_id, '') || coalesce(error_code, '') ~ '[\u0001-\u001F\u007F-\u009F]'
    THEN 'ck_execution_logs_no_control_characters'
    WHEN NOT (reported_at BETWEEN '0001-01-01 00:00:00+00' AND '9999-12-31 23:59:59.999999+00')
    THEN 'ck_execution_logs_reported_at_readable'
END;

-- Refuses an action that its order does not allow. Locks the order, so that the error names its present state;
-- returns at the first attempt if the order allows the action by now.
CREATE FUNCTION blotter_refuse_action(
    of_order uuid, trader uuid, action text, status text, venue_order text, attempt integer
) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    acted_upon record;
    derived text;
BEGIN
    SELECT orders.trader_id, orders.status, orders.venue_order_id INTO acted_upon
    FROM orders WHERE id = of_order FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'there is no order %', of_order
            USING ERRCODE = 'foreign_key_violation', TABLE = 'execution_logs',
            CONSTRAINT = 'fk_execution_logs_order_id';
    ELSIF trader <> acted_upon.trader_id THEN
        RAISE EXCEPTION 'order % is not an order of trader %', of_order, trader
            USING ERRCODE = 'foreign_key_violation', TABLE = 'execution_logs',
            CONSTRAINT = 'execution_logs_same_trader';
    ELSIF action <> 'RECOVERED' AND acted_upon.status::text NOT IN ('PENDING', 'PARTIAL') THEN
        PERFORM blotter_refuse_transition(of_order, acted_upon.status, action::action_enum);
    END IF;
    derived := CASE
        WHEN action IN ('REJECTED', 'CANCELLED') THEN action
        ELSE acted_upon.status::text
    END;
    -- A RECOVERED entry may end an order whose rejection or cancel was missed.
    IF status <> derived AND NOT (
        action = 'RECOVERED' AND status IN ('REJECTED', 'CANCELLED')
        AND acted_upon.status::text IN ('PENDING', 'PARTIAL')
    ) THEN
        RAISE EXCEPTION 'order % is % after %, and not %; leave the status out',
            of_order, derived, action, status
            USING ERRCODE = 'check_violation', TABLE = 'execution_logs',
            CONSTRAINT = 'execution_logs_status_derived';
    ELSIF venue_order <> acted_upon.venue_order_id::text THEN
        RAISE EXCEPTION 'order % is known at the venue as %, and not as %',
            of_order, acted_upon.venue_order_id, venue_order
            USING ERRCODE = 'check_violation', TABLE = 'execution_logs',
            CONSTRAINT = 'execution_logs_one_venue_order';
    ELSIF attempt > 1 THEN
        RAISE EXCEPTION 'order %: blotter_ledger cannot update it', of_order
            USING ERRCODE = 'insufficient_privilege';
    END IF;
END
$$;

-- Moves the order, and completes the entry with what the move returns. It does so BEFORE the entry is stored,
-- since the entry states the result. No ON CONFLICT can skip an entry whose order has moved: id and number are
-- new, and an entry with the same report id is looked for under the lock of its order.
CREATE FUNCTION execution_logs_derive() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    broken CONSTANT text := blotter_action_rule(
        NEW.reason, NEW.retry_attempt, NEW.error_code, NEW.venue_order_id, NEW.reported_at
    );
    -- The status in which the action ends an open order. A RECOVERED entry may end one whose rejection or cancel was
    -- missed.
    ends_as CONSTANT order_status_enum := CASE
        WHEN NEW.action::text IN ('REJECTED', 'CANCELLED') THEN NEW.action::text::order_status_enum
        WHEN NEW.action::text = 'RECOVERED' AND NEW.status::text IN ('REJECTED', 'CANCELLED') THEN NEW.status
    END;
    may_have_ended CONSTANT boolean := NEW.action::text = 'RECOVERED';
    clock timestamptz;
    stored execution_logs;
    moved record;
BEGIN
    IF broken IS NOT NULL THEN
        RAISE EXCEPTION 'new row for relation "execution_logs" violates check constraint "%"', broken
            USING ERRCODE = 'check_violation', TABLE = 'execution_logs', CONSTRAINT = broken,
            DETAIL = 'Failing row contains ' || NEW::text || '.';
    END IF;
    IF NEW.action::text IN ('SUBMITTED', 'FILLED') THEN
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
    IF NEW.report_id IS NOT NULL THEN
        PERFORM FROM orders WHERE id = NEW.order_id FOR NO KEY UPDATE;
        SELECT * INTO stored FROM execution_logs
        WHERE order_id = NEW.order_id AND report_id = NEW.report_id;
        IF FOUND THEN
            -- The order has moved already. This row meets uq_execution_logs_report_id and is not stored.
            stored.id := pg_catalog.gen_random_uuid();
            stored.sequence := pg_catalog.nextval('execution_logs_sequence'::regclass);
            RETURN stored;
        END IF;
    END IF;
    FOR attempt IN 1..2 LOOP
        clock := pg_catalog.clock_timestamp();
        UPDATE orders SET
            status = coalesce(ends_as, status),
            venue_order_id = coalesce(venue_order_id, NEW.venue_order_id),
            updated_at = blotter_next_change(clock, updated_at)
        WHERE id = NEW.order_id
            AND (trader_id = NEW.trader_id) IS NOT FALSE
            AND (blotter_is_open(status) OR may_have_ended)
            AND (venue_order_id::text = NEW.venue_order_id::text) IS NOT FALSE
            AND (
                NEW.status IS NULL OR NEW.status OPERATOR(pg_catalog.=) CASE
                    WHEN blotter_is_open(status) THEN coalesce(ends_as, status) ELSE status
                END
            )
        RETURNING trader_id, status, updated_at INTO moved;
        EXIT WHEN FOUND;
        PERFORM blotter_refuse_action(
            NEW.order_id, NEW.trader_id, NEW.action::text, NEW.status::text, NEW.venue_order_id::text, attempt
        );
    END LOOP;
    NEW.id := pg_catalog.gen_random_uuid();
    NEW.sequence := pg_catalog.nextval('execution_logs_sequence'::regclass);
    NEW.trader_id := moved.trader_id;
    NEW.status := moved.status;
    NEW.timestamp := moved.updated_at;
    NEW.created_at := moved.updated_at;
    NEW.acted_by := session_user;
    NEW.acted_as := coalesce(nullif(pg_catalog.current_setting('role'), 'none'), session_user);
    RETURN NEW;
END
$$;

-- Prevents a trader from probing another trader's order by logging an action on it. Triggers fire in the
-- order of their names: the name puts this one before execution_logs_derive, whose errors mention the order's
-- status.
CREATE TRIGGER execution_logs_admit BEFORE INSERT ON execution_logs
    FOR EACH ROW WHEN (
        current_user <> 'blotter_ledger' AND NOT pg_has_role('blotter_engine', 'USAGE')
    )
    EXECUTE FUNCTION execution_logs_require_order();

-- Prevents an order that stays open after a REJECTED or CANCELLED entry, an entry that the database alone
-- writes, one with another id, number, author, trader or time than the database's, and one that claims another
-- outcome than the action has.
CREATE TRIGGER execution_logs_derive BEFORE INSERT ON execution_logs
    FOR EACH ROW WHEN (current_user <> 'blotter_ledger')
    EXECUTE FUNCTION execution_logs_derive();

-- Gives a row that is no entry its number. It takes a transaction id first, as the writers of entries have one by
-- the time they draw a number: a seal waits for the transactions that have one, and knows then that no lesser
-- number is still to come.
CREATE FUNCTION blotter_number_row() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    PERFORM pg_catalog.pg_current_xact_id();
    NEW.sequence := pg_catalog.nextval('execution_logs_sequence'::regclass);
    RETURN NEW;
END
$$;

-- Returns the greatest number of a committed entry, whosever it is; 0 if there is none. A trader whose own entries
-- are few learns by it how far the log has come, without reading the entries of others.
CREATE FUNCTION blotter_last_number() RETURNS bigint LANGUAGE plpgsql STABLE SECURITY DEFINER AS $$
BEGIN
    RETURN coalesce((SELECT pg_catalog.max(sequence) FROM execution_logs), 0);
END
$$;

DO $$
BEGIN
    -- A host application's own `traders` table is left as it is.
    IF obj_description(to_regclass(format('%I.traders', current_schema())), 'pg_class')
        = 'Traders, the owners of orders (table created by tradeblotter)'
    THEN
        -- Prevents a trader whose name no seal covers.
        CREATE TRIGGER traders_number BEFORE INSERT ON traders
            FOR EACH ROW EXECUTE FUNCTION blotter_number_row();
    END IF;
END
$$;

GRANT EXECUTE ON FUNCTION blotter_last_number()
    TO blotter_trader, blotter_engine, blotter_compliance, blotter_auditor;
CALL blotter_settle_ledger(
    'execution_logs_require_order', 'blotter_action_rule', 'blotter_refuse_action', 'execution_logs_derive',
    'blotter_number_row', 'blotter_last_number'
);
