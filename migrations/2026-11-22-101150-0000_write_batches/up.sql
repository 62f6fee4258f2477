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
-- Those that change orders lock them first, in the order of their ids, so that concurrent batches cannot deadlock;
-- they lock by id alone, since with the status in the condition a plan could scan every open order. Each function
-- then checks the batch by one SELECT, and writes what that has found (new) by a plain statement for each table:
-- Citus runs no statement that writes in its WITH. The orders change last: the check of a foreign key leaves a row
-- alone that the function has locked, and locks it again once it has changed.
--
-- Arrays are read side by side, by several unnest in the list of one SELECT; in FROM that takes several times as
-- long. Such a list joins nothing but a table by its key: PostgreSQL does not know how long an array is when it
-- keeps a plan, takes it for ten elements, and would nest loops over two of them.
--
-- OFFSET 0 keeps the planner out of a sub-select. It hides the lengths of the arrays to be checked: else a batch of
-- fewer than ten rows would look cheaper than the kept plan, and each would be planned anew, and a long batch would
-- be read once for each order of a table without statistics. In EXISTS it keeps a plan that was made while a table
-- was empty from hashing the whole table once it has grown.

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
    new record;
BEGIN
    BEGIN
        SELECT pg_catalog.array_agg(is_accepted) AS accepted,
            pg_catalog.array_agg(at) AS all_times,
            pg_catalog.array_agg(id) FILTER (WHERE is_accepted) AS ids,
            pg_catalog.array_agg(trader_id) FILTER (WHERE is_accepted) AS trader_ids,
            pg_catalog.array_agg(at) FILTER (WHERE is_accepted) AS times
        INTO new
        FROM (
            -- A time for each, so that the log keeps their sequence.
            SELECT id, trader_id, pg_catalog.clock_timestamp() AS at, blotter_order_rule(
                    symbol, client_order_id, account, order_type::text, price, stop_loss, take_profit,
                    limit_price, currency, expires_at, received_at, trading_day, instructions
                ) IS NULL
                AND NOT EXISTS (SELECT FROM breaks WHERE order_id = given.id OFFSET 0)
                AND NOT EXISTS (
                    SELECT FROM orders
                    WHERE orders.trader_id = given.trader_id
                        AND orders.client_order_id::text = given.client_order_id
                        AND coalesce(orders.trading_day, '-infinity') = coalesce(given.trading_day, '-infinity')
                    OFFSET 0
                ) AS is_accepted
            FROM (
                SELECT pg_catalog.unnest(arrays.ids) AS id,
                    pg_catalog.unnest(arrays.trader_ids) AS trader_id,
                    pg_catalog.unnest(arrays.symbols) AS symbol,
                    pg_catalog.unnest(arrays.order_types) AS order_type,
                    pg_catalog.unnest(arrays.prices) AS price,
                    pg_catalog.unnest(arrays.stop_losses) AS stop_loss,
                    pg_catalog.unnest(arrays.take_profits) AS take_profit,
                    pg_catalog.unnest(arrays.expiries) AS expires_at,
                    pg_catalog.unnest(arrays.client_order_ids) AS client_order_id,
                    pg_catalog.unnest(arrays.trading_days) AS trading_day,
                    pg_catalog.unnest(arrays.accounts) AS account,
                    pg_catalog.unnest(arrays.limit_prices) AS limit_price,
                    pg_catalog.unnest(arrays.currencies) AS currency,
                    pg_catalog.unnest(arrays.received) AS received_at,
                    pg_catalog.unnest(arrays.instruction_sets) AS instructions
                FROM (
                    SELECT ids, trader_ids, symbols, order_types, prices, stop_losses, take_profits, expiries,
                        client_order_ids, trading_days, accounts, limit_prices, currencies, received,
                        instruction_sets
                    OFFSET 0
                ) AS arrays
            ) AS given
            -- Keeps the planner from repeating the checks for each array.
            OFFSET 0
        ) AS checked;
        INSERT INTO orders (
            id, root_id, trader_id, side, symbol, quantity, order_type, price, stop_loss, take_profit,
            expires_at, client_order_id, trading_day, account, time_in_force, limit_price, currency,
            received_at, instructions, created_at, updated_at
        )
        SELECT id, id, trader_id, side, symbol, quantity, order_type, price, stop_loss, take_profit,
            expires_at, client_order_id, trading_day, account, time_in_force, limit_price, currency,
            received_at, instructions, at, at
        FROM (
            SELECT pg_catalog.unnest(new.accepted) AS is_accepted,
                pg_catalog.unnest(new.all_times) AS at,
                pg_catalog.unnest(ids) AS id,
                pg_catalog.unnest(trader_ids) AS trader_id,
                pg_catalog.unnest(sides) AS side,
                pg_catalog.unnest(symbols) AS symbol,
                pg_catalog.unnest(quantities) AS quantity,
                pg_catalog.unnest(order_types) AS order_type,
                pg_catalog.unnest(prices) AS price,
                pg_catalog.unnest(stop_losses) AS stop_loss,
                pg_catalog.unnest(take_profits) AS take_profit,
                pg_catalog.unnest(expiries) AS expires_at,
                pg_catalog.unnest(client_order_ids) AS client_order_id,
                pg_catalog.unnest(trading_days) AS trading_day,
                pg_catalog.unnest(accounts) AS account,
                pg_catalog.unnest(times_in_force) AS time_in_force,
                pg_catalog.unnest(limit_prices) AS limit_price,
                pg_catalog.unnest(currencies) AS currency,
                pg_catalog.unnest(received) AS received_at,
                pg_catalog.unnest(instruction_sets) AS instructions
        ) AS given
        WHERE is_accepted;
        -- After the orders: whoever draws a number has written before, and so has a transaction id. A seal waits
        -- for the transactions that have one.
        INSERT INTO execution_logs (
            sequence, order_id, trader_id, action, status, timestamp, created_at
        )
        SELECT pg_catalog.nextval('execution_logs_sequence'::regclass), id, trader_id, 'SUBMITTED',
            'PENDING', at, at
        FROM (
            SELECT pg_catalog.unnest(new.ids) AS id,
                pg_catalog.unnest(new.trader_ids) AS trader_id,
                pg_catalog.unnest(new.times) AS at
        ) AS stored;
        RETURN coalesce(new.ids, '{}');
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
    now timestamptz;
    -- Totals are of prices as the column keeps them; a finer price is left to the caller.
    scale CONSTANT integer := blotter_scale();
    new record;
BEGIN
    PERFORM FROM orders WHERE id = ANY ((SELECT order_ids)::uuid[]) ORDER BY id FOR NO KEY UPDATE;
    now := pg_catalog.clock_timestamp();
    BEGIN
        SELECT pg_catalog.array_agg(id) AS ids,
            pg_catalog.array_agg(order_id) AS order_ids,
            pg_catalog.array_agg(trader_id) AS trader_ids,
            pg_catalog.array_agg(root_id) AS root_ids,
            pg_catalog.array_agg(at) AS times,
            pg_catalog.array_agg(quantity) AS quantities,
            pg_catalog.array_agg(price) AS prices,
            pg_catalog.array_agg(venue) AS venues,
            pg_catalog.array_agg(commission) AS commissions,
            pg_catalog.array_agg(rebate) AS rebates,
            pg_catalog.array_agg(source) AS sources,
            pg_catalog.array_agg(execution_id) AS execution_ids,
            pg_catalog.array_agg(shares) AS shares,
            pg_catalog.array_agg(notional) AS notionals,
            pg_catalog.array_agg(later) AS later,
            pg_catalog.array_agg(
                CASE WHEN later = 0 AND filled_quantity + shares = ordered THEN 'FILLED' ELSE 'PARTIAL' END
                    ::order_status_enum
            ) AS statuses,
            pg_catalog.array_agg(logged_at) AS log_times
        INTO new
        FROM (
            SELECT given.*, trader_id, root_id, orders.quantity AS ordered, filled_quantity,
                -- The shares and the amount of all the order's fills, and how many of these come after this one.
                sum(given.quantity) OVER of_order AS shares,
                sum(given.quantity::numeric * pg_catalog.round(given.price, scale)) OVER of_order AS notional,
                count(*) OVER of_order - row_number() OVER of_order AS later,
                bool_and(
                    given.quantity > 0 AND given.price = pg_catalog.round(given.price, scale)
                    AND blotter_fill_rule(
                        venue, source, execution_id, false, false, given.price, commission, rebate, at
                    ) IS NULL
                ) OVER of_order AS are_valid,
                -- One microsecond per fill keeps their log entries in order.
                blotter_next_change(now, updated_at)
                    + (row_number() OVER of_order - 1)::double precision * interval '1 microsecond'
                    AS logged_at
            FROM (
                SELECT *, row_number() OVER () AS place FROM (
                    SELECT pg_catalog.unnest(arrays.ids) AS id,
                        pg_catalog.unnest(arrays.order_ids) AS order_id,
                        pg_catalog.unnest(arrays.times) AS at,
                        pg_catalog.unnest(arrays.quantities) AS quantity,
                        pg_catalog.unnest(arrays.prices) AS price,
                        pg_catalog.unnest(arrays.venues) AS venue,
                        pg_catalog.unnest(arrays.commissions) AS commission,
                        pg_catalog.unnest(arrays.rebates) AS rebate,
                        pg_catalog.unnest(arrays.sources) AS source,
                        pg_catalog.unnest(arrays.execution_ids) AS execution_id
                    FROM (
                        SELECT ids, order_ids, times, quantities, prices, venues, commissions, rebates,
                            sources, execution_ids
                        OFFSET 0
                    ) AS arrays
                ) AS listed
            ) AS given
            JOIN orders ON orders.id = order_id
            WHERE status::text IN ('PENDING', 'PARTIAL') AND break_count = 0
                AND NOT EXISTS (
                    SELECT FROM fills
                    WHERE fills.root_id = orders.root_id AND fills.source::text = given.source
                        AND fills.execution_id::text = given.execution_id
                        AND NOT is_bust AND amends IS NULL
                )
            WINDOW of_order AS (
                PARTITION BY order_id ORDER BY place
                ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING
            )
            -- The window has sorted them so.
            ORDER BY order_id, place
        ) AS checked
        WHERE shares <= ordered - filled_quantity AND are_valid;
        INSERT INTO fills (
            id, order_id, timestamp, quantity_filled, price_at_fill, venue, commission, rebate, source,
            execution_id, trader_id, root_id, created_at
        )
        SELECT pg_catalog.unnest(new.ids),
            pg_catalog.unnest(new.order_ids),
            pg_catalog.unnest(new.times),
            pg_catalog.unnest(new.quantities),
            pg_catalog.unnest(new.prices),
            pg_catalog.unnest(new.venues),
            pg_catalog.unnest(new.commissions),
            pg_catalog.unnest(new.rebates),
            pg_catalog.unnest(new.sources),
            pg_catalog.unnest(new.execution_ids),
            pg_catalog.unnest(new.trader_ids),
            pg_catalog.unnest(new.root_ids),
            now;
        INSERT INTO execution_logs (
            sequence, order_id, trader_id, action, status, timestamp, created_at, fill_id
        )
        SELECT pg_catalog.nextval('execution_logs_sequence'::regclass), order_id, trader_id, 'FILLED',
            status, logged_at, logged_at, id
        FROM (
            SELECT pg_catalog.unnest(new.ids) AS id,
                pg_catalog.unnest(new.order_ids) AS order_id,
                pg_catalog.unnest(new.trader_ids) AS trader_id,
                pg_catalog.unnest(new.statuses) AS status,
                pg_catalog.unnest(new.log_times) AS logged_at
        ) AS recorded;
        UPDATE orders SET
            filled_quantity = filled_quantity + shares::integer,
            filled_notional = filled_notional + notional,
            average_fill_price = (filled_notional + notional + 0.000000000000000000000000000000)
                / (filled_quantity + shares)::numeric,
            status = moved.status,
            updated_at = logged_at
        FROM (
            SELECT pg_catalog.unnest(arrays.order_ids) AS order_id,
                pg_catalog.unnest(arrays.shares) AS shares,
                pg_catalog.unnest(arrays.later) AS later,
                pg_catalog.unnest(arrays.notionals) AS notional,
                pg_catalog.unnest(arrays.statuses) AS status,
                pg_catalog.unnest(arrays.log_times) AS logged_at
            FROM (
                SELECT new.order_ids, new.shares, new.later, new.notionals, new.statuses, new.log_times
                OFFSET 0
            ) AS arrays
        ) AS moved
        WHERE orders.id = order_id AND later = 0;
        RETURN coalesce(new.ids, '{}');
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
    now timestamptz;
    new record;
BEGIN
    PERFORM FROM orders WHERE id = ANY ((SELECT order_ids)::uuid[]) ORDER BY id FOR NO KEY UPDATE;
    now := pg_catalog.clock_timestamp();
    BEGIN
        SELECT pg_catalog.array_agg(number) AS numbers,
            pg_catalog.array_agg(trader_id) AS trader_ids,
            pg_catalog.array_agg(status) AS statuses,
            pg_catalog.array_agg(at) AS times
        INTO new
        FROM (
            SELECT trader_id, at,
                CASE
                    WHEN action::text IN ('REJECTED', 'CANCELLED') THEN action::text::order_status_enum
                    ELSE status
                END AS status,
                -- Drawn after the lock, which gives the transaction its id.
                CASE
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
                        OFFSET 0
                    ) AS is_known
                FROM (
                    SELECT *, row_number() OVER () AS place FROM (
                        SELECT pg_catalog.unnest(arrays.order_ids) AS order_id,
                            pg_catalog.unnest(arrays.actions) AS action,
                            pg_catalog.unnest(arrays.reasons) AS reason,
                            pg_catalog.unnest(arrays.error_codes) AS error_code,
                            pg_catalog.unnest(arrays.venue_order_ids) AS venue_order_id,
                            pg_catalog.unnest(arrays.reported) AS reported_at,
                            pg_catalog.unnest(arrays.report_ids) AS report_id
                        FROM (
                                SELECT order_ids, actions, reasons, error_codes, venue_order_ids, reported, report_ids
                            OFFSET 0
                        ) AS arrays
                    ) AS listed
                ) AS given
                LEFT JOIN orders ON orders.id = order_id
            ) AS checked
            ORDER BY place
        ) AS numbered;
        INSERT INTO execution_logs (
            sequence, order_id, trader_id, action, status, timestamp, created_at, reason, error_code,
            venue_order_id, reported_at, report_id
        )
        SELECT number, order_id, trader_id, action, status, at, at, reason, error_code, venue_order_id,
            reported_at, report_id
        FROM (
            SELECT pg_catalog.unnest(new.numbers) AS number,
                pg_catalog.unnest(order_ids) AS order_id,
                pg_catalog.unnest(new.trader_ids) AS trader_id,
                pg_catalog.unnest(actions) AS action,
                pg_catalog.unnest(new.statuses) AS status,
                pg_catalog.unnest(new.times) AS at,
                pg_catalog.unnest(reasons) AS reason,
                pg_catalog.unnest(error_codes) AS error_code,
                pg_catalog.unnest(venue_order_ids) AS venue_order_id,
                pg_catalog.unnest(reported) AS reported_at,
                pg_catalog.unnest(report_ids) AS report_id
        ) AS logged
        WHERE number IS NOT NULL;
        UPDATE orders SET
            status = moved.status,
            venue_order_id = coalesce(orders.venue_order_id, moved.venue_order_id),
            updated_at = at
        FROM (
            SELECT pg_catalog.unnest(arrays.numbers) AS number,
                pg_catalog.unnest(arrays.order_ids) AS order_id,
                pg_catalog.unnest(arrays.statuses) AS status,
                pg_catalog.unnest(arrays.venue_order_ids) AS venue_order_id,
                pg_catalog.unnest(arrays.times) AS at
            FROM (
                SELECT new.numbers, order_ids, new.statuses, venue_order_ids, new.times
                OFFSET 0
            ) AS arrays
        ) AS moved
        WHERE orders.id = order_id AND number IS NOT NULL;
        RETURN coalesce(new.numbers, '{}');
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
