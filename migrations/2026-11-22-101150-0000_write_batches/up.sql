-- Promises that a batch of orders, fills or actions costs about what a hand-written, set-based statement costs,
-- and that it leaves the same rows as the row triggers would.
--
-- Each function writes the rows that pass its checks, for a whole batch at once, and says which. It
-- leaves every other row to the caller, who inserts it as an ordinary row: then the row triggers find it known,
-- or refuse it and name the rule. If one of the rows is refused after all, such as by a key that a concurrent
-- transaction has inserted, the function writes none of them, but keeps its locks: whoever writes the same rows
-- one by one then still locks the orders first. A test holds the functions against the triggers.
--
-- Only the engine may call them: for their rows no trigger fires and no trader's policy applies.
--
-- Each reads the orders once, after locking them in the order of their ids, so that concurrent batches cannot
-- deadlock; it locks by id alone, since with the status in the condition a plan could scan every open order.
-- What it writes comes from that reading (new), and joins nothing but orders by their key: PostgreSQL does not
-- know how long an array is when it keeps a plan, and would nest loops over two of them.

CALL blotter_lend_ledger();

-- Submits orders, and returns the ids of those that it has submitted. Leaves out an order that replaces
-- another one, breaks a rule, is known by its ids, or was named by a break before.
CREATE FUNCTION blotter_submit_orders(
    ids uuid[], trader_ids uuid[], sides side_enum[], symbols text[], quantities integer[],
    order_types order_type_enum[], prices numeric[], stop_losses numeric[], take_profits numeric[],
    expiries timestamptz[], client_order_ids text[], trading_days date[], accounts text[],
    times_in_force time_in_force_enum[], limit_prices numeric[], currencies text[], received timestamptz[],
    instruction_sets jsonb[]
) RETURNS uuid[] LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    done uuid[];
BEGIN
    BEGIN
        WITH new AS MATERIALIZED (
            SELECT *, pg_catalog.clock_timestamp() AS at
            FROM unnest(
                ids, trader_ids, sides, symbols, quantities, order_types, prices, stop_losses, take_profits,
                expiries, client_order_ids, trading_days, accounts, times_in_force, limit_prices, currencies,
                received, instruction_sets
            ) AS given (
                id, trader_id, side, symbol, quantity, order_type, price, stop_loss, take_profit, expires_at,
                client_order_id, trading_day, account, time_in_force, limit_price, currency, received_at,
                instructions
            )
            WHERE blotter_order_rule(
                    symbol, client_order_id, account, order_type::text, price, stop_loss, take_profit,
                    limit_price, currency, expires_at, received_at, trading_day, instructions
                ) IS NULL
                AND NOT EXISTS (SELECT FROM breaks WHERE order_id = given.id)
                AND NOT EXISTS (
                    SELECT FROM orders
                    WHERE orders.trader_id = given.trader_id
                        AND orders.client_order_id::text = given.client_order_id
                        AND coalesce(orders.trading_day, '-infinity') = coalesce(given.trading_day, '-infinity')
                )
        ), stored AS (
            INSERT INTO orders (
                id, root_id, trader_id, side, symbol, quantity, order_type, price, stop_loss, take_profit,
                expires_at, client_order_id, trading_day, account, time_in_force, limit_price, currency,
                received_at, instructions, created_at, updated_at
            )
            SELECT id, id, trader_id, side, symbol, quantity, order_type, price, stop_loss, take_profit,
                expires_at, client_order_id, trading_day, account, time_in_force, limit_price, currency,
                received_at, instructions, at, at
            FROM new
            RETURNING id, trader_id, created_at
        ), logged AS (
            INSERT INTO execution_logs (
                sequence, order_id, trader_id, action, status, timestamp, created_at
            )
            -- From what is stored: whoever draws a number has written before, and so has a transaction id. A seal
            -- waits for the transactions that have one.
            SELECT pg_catalog.nextval('execution_logs_sequence'::regclass), id, trader_id, 'SUBMITTED',
                'PENDING', created_at, created_at
            FROM stored
        )
        SELECT coalesce(pg_catalog.array_agg(id), '{}') INTO done FROM new;
        RETURN done;
    EXCEPTION WHEN integrity_constraint_violation OR data_exception THEN
        RETURN '{}';
    END;
END
$$;

-- Records fills, and returns the ids of those that it has recorded. Leaves out all fills of an order that is
-- unknown or has ended, has breaks, or would be over-filled by them, or if one of them breaks a rule; and a
-- fill that is known by its execution id.
CREATE FUNCTION blotter_record_fills(
    ids uuid[], order_ids uuid[], times timestamptz[], quantities integer[], prices numeric[], venues text[],
    commissions numeric[], rebates numeric[], sources text[], execution_ids text[]
) RETURNS uuid[] LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    done uuid[];
    now timestamptz;
    -- Totals are of prices as the column keeps them; a finer price is left to the caller.
    scale CONSTANT integer := blotter_scale();
BEGIN
    PERFORM FROM orders WHERE id = ANY (order_ids) ORDER BY id FOR NO KEY UPDATE;
    now := pg_catalog.clock_timestamp();
    BEGIN
        WITH new AS MATERIALIZED (
            SELECT * FROM (
                SELECT given.*, trader_id, root_id, orders.quantity AS ordered, filled_quantity,
                    -- The shares and the amount of the order's fills up to this one.
                    sum(given.quantity) OVER up_to AS shares,
                    sum(given.quantity::numeric * pg_catalog.round(given.price, scale)) OVER up_to AS notional,
                    sum(given.quantity) OVER all_of AS all_shares,
                    bool_and(
                        given.quantity > 0 AND given.price = pg_catalog.round(given.price, scale)
                        AND blotter_fill_rule(
                            venue, source, execution_id, false, false, given.price, commission, rebate, at
                        ) IS NULL
                    ) OVER all_of AS are_valid,
                    -- One microsecond per fill keeps their log entries in order.
                    blotter_next_change(now, updated_at)
                        + (row_number() OVER up_to - 1)::double precision * interval '1 microsecond'
                        AS logged_at
                FROM unnest(
                    ids, order_ids, times, quantities, prices, venues, commissions, rebates, sources,
                    execution_ids
                ) WITH ORDINALITY AS given (
                    id, order_id, at, quantity, price, venue, commission, rebate, source, execution_id, place
                )
                JOIN orders ON orders.id = order_id
                WHERE status::text IN ('PENDING', 'PARTIAL') AND break_count = 0
                    AND NOT EXISTS (
                        SELECT FROM fills
                        WHERE fills.root_id = orders.root_id AND fills.source::text = given.source
                            AND fills.execution_id::text = given.execution_id
                            AND NOT is_bust AND amends IS NULL
                    )
                WINDOW all_of AS (PARTITION BY order_id),
                    up_to AS (PARTITION BY order_id ORDER BY place ROWS UNBOUNDED PRECEDING)
            ) AS checked
            WHERE all_shares <= ordered - filled_quantity AND are_valid
        ), stored AS (
            INSERT INTO fills (
                id, order_id, timestamp, quantity_filled, price_at_fill, venue, commission, rebate, source,
                execution_id, trader_id, root_id, created_at
            )
            SELECT id, order_id, at, quantity, price, venue, commission, rebate, source, execution_id,
                trader_id, root_id, now
            FROM new
        ), moved AS (
            UPDATE orders SET
                filled_quantity = orders.filled_quantity + shares::integer,
                filled_notional = filled_notional + notional,
                average_fill_price = (filled_notional + notional + 0.000000000000000000000000000000)
                    / (orders.filled_quantity + shares)::numeric,
                status = CASE WHEN orders.filled_quantity + shares = ordered THEN 'FILLED' ELSE 'PARTIAL' END
                    ::order_status_enum,
                updated_at = logged_at
            FROM new WHERE orders.id = order_id AND shares = all_shares
        ), logged AS (
            INSERT INTO execution_logs (
                sequence, order_id, trader_id, action, status, timestamp, created_at, fill_id
            )
            SELECT pg_catalog.nextval('execution_logs_sequence'::regclass), order_id, trader_id, 'FILLED',
                CASE WHEN filled_quantity + shares = ordered THEN 'FILLED' ELSE 'PARTIAL' END
                    ::order_status_enum,
                logged_at, logged_at, id
            FROM new
        )
        SELECT coalesce(pg_catalog.array_agg(id), '{}') INTO done FROM new;
        RETURN done;
    EXCEPTION WHEN integrity_constraint_violation OR data_exception THEN
        RETURN '{}';
    END;
END
$$;

-- Logs actions that leave their order open or end it, and returns for each the number of its entry: null for
-- one that it leaves out. It leaves out all actions of an order for which there are several, an order that is
-- unknown or has ended or has another id at the venue; a report that is known, an action that breaks a rule or
-- that only a row can state (RECOVERED, or one with a status).
CREATE FUNCTION blotter_log_actions(
    order_ids uuid[], actions action_enum[], reasons text[], error_codes text[], venue_order_ids text[],
    reported timestamptz[], report_ids uuid[]
) RETURNS bigint[] LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    done bigint[];
    now timestamptz;
BEGIN
    PERFORM FROM orders WHERE id = ANY (order_ids) ORDER BY id FOR NO KEY UPDATE;
    now := pg_catalog.clock_timestamp();
    BEGIN
        WITH new AS MATERIALIZED (
            SELECT *, CASE
                WHEN of_order = 1 AND action::text IN ('APPROVED', 'EXECUTED', 'REJECTED', 'CANCELLED')
                    AND status::text IN ('PENDING', 'PARTIAL')
                    AND (known_as = venue_order_id) IS NOT FALSE AND NOT is_known
                    AND blotter_action_rule(reason, NULL, error_code, venue_order_id, reported_at) IS NULL
                THEN pg_catalog.nextval('execution_logs_sequence'::regclass)
            END AS number
            FROM (
                SELECT given.*, trader_id, status, orders.venue_order_id::text AS known_as,
                    blotter_next_change(now, updated_at) AS at,
                    count(*) OVER (PARTITION BY given.order_id) AS of_order,
                    EXISTS (
                        SELECT FROM execution_logs
                        WHERE execution_logs.order_id = given.order_id
                            AND execution_logs.report_id = given.report_id
                    ) AS is_known
                FROM unnest(
                    order_ids, actions, reasons, error_codes, venue_order_ids, reported, report_ids
                ) WITH ORDINALITY AS given (
                    order_id, action, reason, error_code, venue_order_id, reported_at, report_id, place
                )
                LEFT JOIN orders ON orders.id = order_id
            ) AS checked
        ), ended AS (
            SELECT order_id, trader_id, action, reason, error_code, venue_order_id, reported_at, report_id,
                at, number, CASE
                    WHEN action::text IN ('REJECTED', 'CANCELLED') THEN action::text::order_status_enum
                    ELSE status
                END AS status
            FROM new WHERE number IS NOT NULL
        ), moved AS (
            UPDATE orders SET
                status = ended.status,
                venue_order_id = coalesce(orders.venue_order_id, ended.venue_order_id),
                updated_at = at
            FROM ended WHERE orders.id = order_id
        ), logged AS (
            INSERT INTO execution_logs (
                sequence, order_id, trader_id, action, status, timestamp, created_at, reason, error_code,
                venue_order_id, reported_at, report_id
            )
            SELECT number, order_id, trader_id, action, status, at, at, reason, error_code, venue_order_id,
                reported_at, report_id
            FROM ended
        )
        SELECT coalesce(pg_catalog.array_agg(number ORDER BY place), '{}') INTO done FROM new;
        RETURN done;
    EXCEPTION WHEN integrity_constraint_violation OR data_exception THEN
        RETURN '{}';
    END;
END
$$;

GRANT EXECUTE ON FUNCTION
    blotter_submit_orders(
        uuid[], uuid[], side_enum[], text[], integer[], order_type_enum[], numeric[], numeric[], numeric[],
        timestamptz[], text[], date[], text[], time_in_force_enum[], numeric[], text[], timestamptz[], jsonb[]
    ),
    blotter_record_fills(
        uuid[], uuid[], timestamptz[], integer[], numeric[], text[], numeric[], numeric[], text[], text[]
    ),
    blotter_log_actions(uuid[], action_enum[], text[], text[], text[], timestamptz[], uuid[])
    TO blotter_engine;
CALL blotter_settle_ledger('blotter_submit_orders', 'blotter_record_fills', 'blotter_log_actions');
