-- The functions of a migrated database, written by a test; the migrations define them.

CREATE OR REPLACE FUNCTION public.archives_stamp()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'public', 'pg_temp'
 SET enable_seqscan TO 'off'
AS $function$
BEGIN
    NEW.created_at := pg_catalog.clock_timestamp();
    NEW.acted_by := session_user;
    RETURN NEW;
END
$function$
;

CREATE OR REPLACE FUNCTION public.blotter_action_rule(reason text, retry_attempt integer, error_code text, venue_order_id text, reported_at timestamp with time zone)
 RETURNS text
 LANGUAGE sql
 IMMUTABLE
RETURN CASE WHEN (length(reason) > 1000) THEN 'ck_execution_logs_reason_short'::text WHEN (retry_attempt < 0) THEN 'ck_execution_logs_retry_attempt_nonnegative'::text WHEN (venue_order_id !~ '[^[:space:]]'::text) THEN 'ck_execution_logs_venue_order_id_not_blank'::text WHEN ((COALESCE(venue_order_id, ''::text) || COALESCE(error_code, ''::text)) ~ '[\u0001-\u001F\u007F-\u009F]'::text) THEN 'ck_execution_logs_no_control_characters'::text WHEN (NOT ((reported_at >= '0001-01-01 00:00:00+00'::timestamp with time zone) AND (reported_at <= '9999-12-31 23:59:59.999999+00'::timestamp with time zone))) THEN 'ck_execution_logs_reported_at_readable'::text ELSE NULL::text END
;

CREATE OR REPLACE FUNCTION public.blotter_amended_fills(of_order uuid, by_source text, refers_to text, at timestamp with time zone)
 RETURNS uuid[]
 LANGUAGE plpgsql
 STABLE SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
 SET enable_seqscan TO 'off'
AS $function$
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
$function$
;

CREATE OR REPLACE FUNCTION public.blotter_booked_reason(booked uuid)
 RETURNS text
 LANGUAGE plpgsql
AS $function$
BEGIN
    IF booked IS NULL THEN
        RETURN NULL;
    END IF;
    RETURN (SELECT 'break booked: ' || reason FROM break_resolutions WHERE break_id = booked);
END
$function$
;

CREATE OR REPLACE FUNCTION public.blotter_count_amendment(amendment fills)
 RETURNS void
 LANGUAGE plpgsql
AS $function$
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
$function$
;

CREATE OR REPLACE FUNCTION public.blotter_end_replaced(replaced uuid, by uuid)
 RETURNS void
 LANGUAGE plpgsql
AS $function$
DECLARE
    clock CONSTANT timestamptz := pg_catalog.clock_timestamp();
    ended record;
BEGIN
    UPDATE orders SET status = 'CANCELLED', updated_at = blotter_next_change(clock, updated_at)
    WHERE id = replaced RETURNING trader_id, updated_at INTO ended;
    INSERT INTO execution_logs (
        sequence, order_id, trader_id, action, status, timestamp, created_at, reason
    ) VALUES (
        pg_catalog.nextval('execution_logs_sequence'::regclass), replaced, ended.trader_id, 'CANCELLED',
        'CANCELLED', ended.updated_at, ended.updated_at, 'replaced by order ' || by::text
    );
END
$function$
;

CREATE OR REPLACE FUNCTION public.blotter_expire_due(now timestamp with time zone, at_most integer)
 RETURNS uuid[]
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
 SET enable_seqscan TO 'off'
AS $function$
DECLARE
    due CONSTANT uuid[] := ARRAY(
        -- The operator is qualified, and not the column cast to text, so that idx_orders_expires serves.
        SELECT id FROM orders
        WHERE status OPERATOR(pg_catalog.=) ANY ('{PENDING, PARTIAL}'::order_status_enum[])
            AND expires_at <= now
        ORDER BY expires_at, id LIMIT at_most
        FOR NO KEY UPDATE SKIP LOCKED
    );
    expired uuid;
    clock timestamptz;
    ended record;
BEGIN
    FOREACH expired IN ARRAY due LOOP
        clock := pg_catalog.clock_timestamp();
        UPDATE orders SET status = 'CANCELLED', updated_at = blotter_next_change(clock, updated_at)
        WHERE id = expired RETURNING trader_id, updated_at INTO ended;
        INSERT INTO execution_logs (
            sequence, order_id, trader_id, action, status, timestamp, created_at, reason
        ) VALUES (
            pg_catalog.nextval('execution_logs_sequence'::regclass), expired, ended.trader_id, 'CANCELLED',
            'CANCELLED', ended.updated_at, ended.updated_at, 'expired'
        );
    END LOOP;
    RETURN due;
END
$function$
;

CREATE OR REPLACE FUNCTION public.blotter_fill_rule(venue text, source text, execution_id text, is_amendment boolean, is_bust boolean, price numeric, commission numeric, rebate numeric, at timestamp with time zone)
 RETURNS text
 LANGUAGE sql
 IMMUTABLE
RETURN CASE WHEN (venue !~ '[^[:space:]]'::text) THEN 'ck_fills_venue_not_blank'::text WHEN (source !~ '[^[:space:]]'::text) THEN 'ck_fills_source_not_blank'::text WHEN (execution_id !~ '[^[:space:]]'::text) THEN 'ck_fills_execution_id_not_blank'::text WHEN (((venue || source) || COALESCE(execution_id, ''::text)) ~ '[\u0001-\u001F\u007F-\u009F]'::text) THEN 'ck_fills_no_control_characters'::text WHEN (is_bust AND (NOT is_amendment)) THEN 'ck_fills_bust_amends'::text WHEN (price = 'NaN'::numeric) THEN 'ck_fills_price_not_nan'::text WHEN (commission = 'NaN'::numeric) THEN 'ck_fills_commission_not_nan'::text WHEN ((rebate < (0)::numeric) OR (rebate = 'NaN'::numeric)) THEN 'ck_fills_rebate_nonnegative'::text WHEN (GREATEST(price, commission, rebate) >= (100000000)::numeric) THEN 'ck_fills_money_in_range'::text WHEN (NOT ((at >= '0001-01-01 00:00:00+00'::timestamp with time zone) AND (at <= '9999-12-31 23:59:59.999999+00'::timestamp with time zone))) THEN 'ck_fills_timestamp_readable'::text ELSE NULL::text END
;

CREATE OR REPLACE FUNCTION public.blotter_is_open(status order_status_enum)
 RETURNS boolean
 LANGUAGE sql
 IMMUTABLE
RETURN (status = ANY (ARRAY['PENDING'::order_status_enum, 'PARTIAL'::order_status_enum]))
;

CREATE OR REPLACE FUNCTION public.blotter_last_number()
 RETURNS bigint
 LANGUAGE plpgsql
 STABLE SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
 SET enable_seqscan TO 'off'
AS $function$
BEGIN
    RETURN coalesce((SELECT pg_catalog.max(sequence) FROM execution_logs), 0);
END
$function$
;

CREATE OR REPLACE PROCEDURE public.blotter_lend_ledger()
 LANGUAGE plpgsql
 SET search_path TO 'public', 'pg_temp'
AS $procedure$
DECLARE
    here CONSTANT regnamespace := (
        SELECT pronamespace FROM pg_proc WHERE oid = 'blotter_lend_ledger'::regproc
    );
    lent text := '';
BEGIN
    IF NOT (
        CASE
            WHEN current_setting('server_version_num')::integer < 160000
            THEN pg_has_role('blotter_ledger', 'MEMBER')
            ELSE pg_has_role('blotter_ledger', 'SET') AND pg_has_role('blotter_ledger', 'USAGE')
        END
    ) THEN
        EXECUTE format('GRANT blotter_ledger TO %I', current_user);
        lent := 'membership ';
    END IF;
    IF NOT has_schema_privilege('blotter_ledger', here, 'CREATE') THEN
        EXECUTE format('GRANT CREATE ON SCHEMA %s TO blotter_ledger', here);
        lent := lent || 'schema';
    END IF;
    PERFORM set_config('blotter.lent', lent, true);
EXCEPTION
    WHEN insufficient_privilege THEN
        RAISE EXCEPTION E'% may not make or change functions of blotter_ledger (%). As an administrator '
            'run:\n  GRANT blotter_ledger TO %;\n%'
            'then migrate again, and afterwards REVOKE what you have granted.',
            quote_ident(current_user), SQLERRM, quote_ident(current_user),
            CASE
                WHEN has_schema_privilege(here, 'CREATE WITH GRANT OPTION') THEN ''
                ELSE format(E'  GRANT USAGE, CREATE ON SCHEMA %s TO blotter_ledger;\n', here)
            END
            USING ERRCODE = 'insufficient_privilege';
END
$procedure$
;

CREATE OR REPLACE FUNCTION public.blotter_log_actions(order_ids uuid[], actions action_enum[], reasons text[], error_codes text[], venue_order_ids text[], reported timestamp with time zone[], report_ids uuid[])
 RETURNS bigint[]
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
 SET enable_seqscan TO 'off'
AS $function$
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
$function$
;

CREATE OR REPLACE FUNCTION public.blotter_log_break(order_id uuid, break_id uuid, new_breaks integer, says text)
 RETURNS void
 LANGUAGE plpgsql
AS $function$
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
$function$
;

CREATE OR REPLACE FUNCTION public.blotter_next_change(clock timestamp with time zone, last_change timestamp with time zone)
 RETURNS timestamp with time zone
 LANGUAGE sql
 IMMUTABLE
RETURN GREATEST(clock, (((last_change AT TIME ZONE 'UTC'::text) + '00:00:00.000001'::interval) AT TIME ZONE 'UTC'::text))
;

CREATE OR REPLACE FUNCTION public.blotter_number_row()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
 SET enable_seqscan TO 'off'
AS $function$
BEGIN
    PERFORM pg_catalog.pg_current_xact_id();
    NEW.sequence := pg_catalog.nextval('execution_logs_sequence'::regclass);
    RETURN NEW;
END
$function$
;

CREATE OR REPLACE FUNCTION public.blotter_order_rule(symbol text, client_order_id text, account text, order_type text, price numeric, stop_loss numeric, take_profit numeric, limit_price numeric, currency text, expires_at timestamp with time zone, received_at timestamp with time zone, trading_day date, instructions jsonb)
 RETURNS text
 LANGUAGE sql
 IMMUTABLE
RETURN CASE WHEN (symbol !~ '[^[:space:]]'::text) THEN 'ck_orders_symbol_not_blank'::text WHEN (client_order_id !~ '[^[:space:]]'::text) THEN 'ck_orders_client_order_id_not_blank'::text WHEN (account !~ '[^[:space:]]'::text) THEN 'ck_orders_account_not_blank'::text WHEN (((symbol || COALESCE(client_order_id, ''::text)) || COALESCE(account, ''::text)) ~ '[\u0001-\u001F\u007F-\u009F]'::text) THEN 'ck_orders_no_control_characters'::text WHEN (price = 'NaN'::numeric) THEN 'ck_orders_price_not_nan'::text WHEN ((stop_loss <= (0)::numeric) OR (stop_loss = 'NaN'::numeric)) THEN 'ck_orders_stop_loss_positive'::text WHEN ((take_profit <= (0)::numeric) OR (take_profit = 'NaN'::numeric)) THEN 'ck_orders_take_profit_positive'::text WHEN ((limit_price <= (0)::numeric) OR (limit_price = 'NaN'::numeric)) THEN 'ck_orders_limit_price_positive'::text WHEN (GREATEST(price, stop_loss, take_profit, limit_price) >= (100000000)::numeric) THEN 'ck_orders_money_in_range'::text WHEN ((limit_price IS NOT NULL) AND (order_type <> 'STOP'::text)) THEN 'ck_orders_limit_price_of_stop'::text WHEN (currency !~ '^[A-Z]{3}$'::text) THEN 'ck_orders_currency_iso_4217'::text WHEN (NOT ((expires_at >= '0001-01-01 00:00:00+00'::timestamp with time zone) AND (expires_at <= '9999-12-31 23:59:59.999999+00'::timestamp with time zone))) THEN 'ck_orders_expires_at_readable'::text WHEN (NOT ((received_at >= '0001-01-01 00:00:00+00'::timestamp with time zone) AND (received_at <= '9999-12-31 23:59:59.999999+00'::timestamp with time zone))) THEN 'ck_orders_received_at_readable'::text WHEN (NOT ((trading_day >= '0001-01-01'::date) AND (trading_day <= '9999-12-31'::date))) THEN 'ck_orders_trading_day_readable'::text WHEN ((instructions IS NOT NULL) AND ((jsonb_typeof(instructions) <> 'object'::text) OR jsonb_path_exists(instructions, '$.*?(@.type() != "string")'::jsonpath) OR (length((instructions)::text) > 65536))) THEN 'ck_orders_instructions_readable'::text ELSE NULL::text END
;

CREATE OR REPLACE PROCEDURE public.blotter_permit_revert()
 LANGUAGE plpgsql
 SET search_path TO 'public', 'pg_temp'
AS $procedure$
DECLARE
    records regclass;
    is_forced boolean;
    has_rows boolean;
BEGIN
    IF coalesce(current_setting('blotter.discard_records', true), '') = 'on' THEN
        RETURN;
    END IF;
    FOREACH records IN ARRAY ARRAY[
        to_regclass('execution_logs'), to_regclass('breaks'), to_regclass('archives')
    ] LOOP
        CONTINUE WHEN records IS NULL;
        SELECT relforcerowsecurity INTO STRICT is_forced FROM pg_class WHERE oid = records;
        -- FORCE would hide the rows from the owner.
        EXECUTE format('ALTER TABLE %s NO FORCE ROW LEVEL SECURITY', records);
        EXECUTE format('SELECT EXISTS (SELECT FROM %s)', records) INTO STRICT has_rows;
        IF is_forced THEN
            EXECUTE format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', records);
        END IF;
        IF has_rows THEN
            RAISE EXCEPTION 'the table % has rows, and reverting this migration would discard records or what '
                'protects them; to do so all the same, set blotter.discard_records to on '
                '(blotter migrate revert --discard-records, or PGOPTIONS="-c blotter.discard_records=on")',
                records
                USING ERRCODE = 'object_not_in_prerequisite_state';
        END IF;
    END LOOP;
END
$procedure$
;

CREATE OR REPLACE FUNCTION public.blotter_record_fills(ids uuid[], order_ids uuid[], times timestamp with time zone[], quantities integer[], prices numeric[], venues text[], commissions numeric[], rebates numeric[], sources text[], execution_ids text[])
 RETURNS uuid[]
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
 SET enable_seqscan TO 'off'
AS $function$
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
$function$
;

CREATE OR REPLACE FUNCTION public.blotter_refuse_action(of_order uuid, trader uuid, action text, status text, venue_order text, attempt integer)
 RETURNS void
 LANGUAGE plpgsql
AS $function$
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
$function$
;

CREATE OR REPLACE FUNCTION public.blotter_refuse_change()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'public', 'pg_temp'
AS $function$
BEGIN
    RAISE EXCEPTION '% of % % is refused: recorded rows are append-only',
        TG_OP, TG_TABLE_NAME, CASE TG_LEVEL WHEN 'ROW' THEN OLD.id::text ELSE 'as a whole' END
        USING ERRCODE = 'restrict_violation', TABLE = TG_TABLE_NAME,
        CONSTRAINT = TG_TABLE_NAME || '_append_only',
        HINT = CASE TG_TABLE_NAME
            WHEN 'traders' THEN 'Register another trader, under a new id, and submit its orders from now on.'
            ELSE 'Insert a row that records what happened: an order, a fill, an amendment or an action in the log.'
        END;
END
$function$
;

CREATE OR REPLACE FUNCTION public.blotter_refuse_fill(fill fills, attempt integer)
 RETURNS void
 LANGUAGE plpgsql
AS $function$
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
$function$
;

CREATE OR REPLACE FUNCTION public.blotter_refuse_resolved(fill fills)
 RETURNS void
 LANGUAGE plpgsql
AS $function$
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
$function$
;

CREATE OR REPLACE FUNCTION public.blotter_refuse_transition(order_id uuid, status order_status_enum, action action_enum)
 RETURNS void
 LANGUAGE plpgsql
AS $function$
BEGIN
    RAISE EXCEPTION 'order % is %, which does not allow %; only a PENDING or PARTIAL order can still '
        'change', order_id, status, action
        USING ERRCODE = 'check_violation', TABLE = 'orders', CONSTRAINT = 'orders_transition';
END
$function$
;

CREATE OR REPLACE FUNCTION public.blotter_scale()
 RETURNS integer
 LANGUAGE sql
 STABLE
RETURN (SELECT ((pg_attribute.atttypmod - 4) & 2047) FROM pg_attribute WHERE ((pg_attribute.attrelid = ('fills'::regclass)::oid) AND (pg_attribute.attname = 'price_at_fill'::name)))
;

CREATE OR REPLACE PROCEDURE public.blotter_settle_ledger(VARIADIC functions text[])
 LANGUAGE plpgsql
 SET search_path TO 'public', 'pg_temp'
AS $procedure$
DECLARE
    here CONSTANT regnamespace := (
        SELECT pronamespace FROM pg_proc WHERE oid = 'blotter_settle_ledger'::regproc
    );
    lent CONSTANT text := current_setting('blotter.lent');
    function regprocedure;
BEGIN
    FOR function IN
        SELECT oid FROM pg_proc WHERE pronamespace = here AND proname = ANY (functions)
    LOOP
        PERFORM FROM pg_proc WHERE oid = function AND (prosecdef OR prorettype = 'trigger'::regtype);
        IF FOUND THEN
            EXECUTE format('ALTER FUNCTION %s SET search_path = %s, pg_temp', function, here);
            EXECUTE format('ALTER FUNCTION %s SET enable_seqscan = off', function);
        END IF;
        -- An immutable function reads nothing and writes nothing.
        PERFORM FROM pg_proc WHERE oid = function AND provolatile = 'i';
        IF NOT FOUND THEN
            EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', function);
        END IF;
        EXECUTE format('ALTER FUNCTION %s OWNER TO blotter_ledger', function);
    END LOOP;
    IF lent LIKE '%schema%' THEN
        EXECUTE format('REVOKE CREATE ON SCHEMA %s FROM blotter_ledger', here);
    END IF;
    IF lent LIKE '%membership%' THEN
        EXECUTE format('REVOKE blotter_ledger FROM %I', current_user);
    END IF;
    PERFORM set_config('blotter.lent', '', true);
END
$procedure$
;

CREATE OR REPLACE FUNCTION public.blotter_submit_orders(ids uuid[], trader_ids uuid[], sides side_enum[], symbols text[], quantities integer[], order_types order_type_enum[], prices numeric[], stop_losses numeric[], take_profits numeric[], expiries timestamp with time zone[], client_order_ids text[], trading_days date[], accounts text[], times_in_force time_in_force_enum[], limit_prices numeric[], currencies text[], received timestamp with time zone[], instruction_sets jsonb[])
 RETURNS uuid[]
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
 SET enable_seqscan TO 'off'
AS $function$
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
$function$
;

CREATE OR REPLACE FUNCTION public.blotter_symbol_length()
 RETURNS integer
 LANGUAGE sql
 STABLE
RETURN (SELECT (pg_attribute.atttypmod - 4) FROM pg_attribute WHERE ((pg_attribute.attrelid = ('orders'::regclass)::oid) AND (pg_attribute.attname = 'symbol'::name)))
;

CREATE OR REPLACE FUNCTION public.blotter_trader_id()
 RETURNS uuid
 LANGUAGE sql
 STABLE
RETURN CASE WHEN (ROW(0, 0) < ROW(1, 0)) THEN NULLIF((NULLIF(current_setting('app.user_id'::text, true), ''::text))::uuid, '00000000-0000-0000-0000-000000000000'::uuid) ELSE NULL::uuid END
;

CREATE OR REPLACE FUNCTION public.blotter_widen(prices integer, symbols integer)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'public', 'pg_temp'
AS $function$
DECLARE
    scale integer;
    length integer;
    finer text;
    longer text;
    guard text;
BEGIN
    -- Lock first: of two concurrent calls, the second must see the widths that the first has set.
    LOCK TABLE orders IN ACCESS EXCLUSIVE MODE;
    IF prices IS NOT NULL THEN
        LOCK TABLE fills IN ACCESS EXCLUSIVE MODE;
    END IF;
    scale := blotter_scale();
    length := blotter_symbol_length();
    IF prices NOT BETWEEN 2 AND 10 THEN
        RAISE EXCEPTION 'prices can be kept to 2 to 10 decimal places, and not to %', prices
            USING ERRCODE = 'invalid_parameter_value';
    ELSIF prices < scale THEN
        RAISE EXCEPTION 'prices are kept to % decimal places already, and to % they would be rounded',
            scale, prices
            USING ERRCODE = 'invalid_parameter_value';
    ELSIF symbols NOT BETWEEN 10 AND 64 THEN
        RAISE EXCEPTION 'symbols can be widened to 10 to 64 characters, and not to %', symbols
            USING ERRCODE = 'invalid_parameter_value';
    ELSIF symbols < length THEN
        RAISE EXCEPTION 'symbols have up to % characters already, and to % they would be cut',
            length, symbols
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF prices > scale THEN
        finer := pg_catalog.format(
            'ALTER price TYPE numeric(18, %1$s), ALTER stop_loss TYPE numeric(18, %1$s),
            ALTER take_profit TYPE numeric(18, %1$s), ALTER limit_price TYPE numeric(18, %1$s),
            ALTER average_fill_price TYPE numeric(18, %1$s) USING
                (filled_notional + 0.000000000000000000000000000000) / nullif(filled_quantity, 0)',
            prices
        );
    END IF;
    IF symbols > length THEN
        longer := pg_catalog.format('ALTER symbol TYPE varchar(%s)', symbols);
    END IF;
    IF finer IS NULL AND longer IS NULL THEN
        RETURN;
    END IF;
    -- The guard names the columns, so their types cannot change while it exists. The table lock keeps writers
    -- out until it is back.
    SELECT pg_catalog.pg_get_triggerdef(oid) INTO STRICT guard FROM pg_catalog.pg_trigger
    WHERE tgrelid = 'orders'::regclass AND tgname = 'orders_keep_terms';
    DROP TRIGGER orders_keep_terms ON orders;
    EXECUTE 'ALTER TABLE orders ' || pg_catalog.concat_ws(', ', finer, longer);
    EXECUTE guard;
    ALTER TABLE orders ENABLE ALWAYS TRIGGER orders_keep_terms;
    IF prices > scale THEN
        EXECUTE pg_catalog.format(
            'ALTER TABLE fills
                ALTER price_at_fill TYPE numeric(18, %1$s), ALTER commission TYPE numeric(18, %1$s),
                ALTER rebate TYPE numeric(18, %1$s)',
            prices
        );
    END IF;
END
$function$
;

CREATE OR REPLACE FUNCTION public.break_resolutions_book()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
 SET enable_seqscan TO 'off'
AS $function$
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
$function$
;

CREATE OR REPLACE FUNCTION public.break_resolutions_stamp()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'public', 'pg_temp'
 SET enable_seqscan TO 'off'
AS $function$
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
$function$
;

CREATE OR REPLACE FUNCTION public.breaks_log()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
 SET enable_seqscan TO 'off'
AS $function$
BEGIN
    PERFORM FROM orders WHERE id = NEW.order_id;
    IF FOUND THEN
        PERFORM blotter_log_break(NEW.order_id, NEW.id, 1, 'break: ' || NEW.detail);
    END IF;
    RETURN NULL;
END
$function$
;

CREATE OR REPLACE FUNCTION public.breaks_stamp()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'public', 'pg_temp'
 SET enable_seqscan TO 'off'
AS $function$
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
$function$
;

CREATE OR REPLACE FUNCTION public.execution_logs_derive()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
 SET enable_seqscan TO 'off'
AS $function$
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
$function$
;

CREATE OR REPLACE FUNCTION public.execution_logs_require_order()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'public', 'pg_temp'
 SET enable_seqscan TO 'off'
AS $function$
BEGIN
    PERFORM FROM orders WHERE id = NEW.order_id;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'there is no order %', NEW.order_id
            USING ERRCODE = 'foreign_key_violation', TABLE = 'execution_logs',
            CONSTRAINT = 'fk_execution_logs_order_id';
    END IF;
    RETURN NEW;
END
$function$
;

CREATE OR REPLACE FUNCTION public.fills_derive()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
 SET enable_seqscan TO 'off'
AS $function$
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
$function$
;

CREATE OR REPLACE FUNCTION public.fills_stamp()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'public', 'pg_temp'
 SET enable_seqscan TO 'off'
AS $function$
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
$function$
;

CREATE OR REPLACE FUNCTION public.orders_admit()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'public', 'pg_temp'
 SET enable_seqscan TO 'off'
AS $function$
DECLARE
    broken CONSTANT text := blotter_order_rule(
        NEW.symbol, NEW.client_order_id, NEW.account, NEW.order_type::text, NEW.price, NEW.stop_loss,
        NEW.take_profit, NEW.limit_price, NEW.currency, NEW.expires_at, NEW.received_at, NEW.trading_day,
        NEW.instructions
    );
    replaced record;
BEGIN
    IF broken IS NOT NULL THEN
        RAISE EXCEPTION 'new row for relation "orders" violates check constraint "%"', broken
            USING ERRCODE = 'check_violation', TABLE = 'orders', CONSTRAINT = broken,
            DETAIL = 'Failing row contains ' || NEW::text || '.';
    END IF;
    IF NEW.status::text <> 'PENDING' OR NEW.filled_quantity <> 0 OR NEW.filled_notional <> 0::numeric
        OR NEW.average_fill_price IS NOT NULL OR NEW.venue_order_id IS NOT NULL OR NEW.break_count <> 0
    THEN
        RAISE EXCEPTION 'order % would begin as %, with % shares filled for % (average %), known at the '
            'venue as %, with % breaks; an order begins PENDING with nothing filled, and its fills and '
            'actions move it',
            NEW.id, NEW.status, NEW.filled_quantity, NEW.filled_notional,
            coalesce(NEW.average_fill_price::text, 'none'), coalesce(NEW.venue_order_id, 'none'),
            NEW.break_count
            USING ERRCODE = 'check_violation', TABLE = 'orders', CONSTRAINT = 'orders_begin_pending';
    END IF;
    NEW.root_id := NEW.id;
    IF NEW.replaces = NEW.id THEN
        RAISE EXCEPTION 'order % would replace itself', NEW.id
            USING ERRCODE = 'check_violation', TABLE = 'orders', CONSTRAINT = 'ck_orders_replaces_other';
    ELSIF NEW.replaces IS NOT NULL THEN
        -- By its id alone: with the trader in the condition, a plan cached while there are few orders would
        -- scan all orders of that trader.
        SELECT trader_id, root_id INTO replaced FROM orders WHERE id = NEW.replaces;
        IF replaced.trader_id IS DISTINCT FROM NEW.trader_id THEN
            RAISE EXCEPTION 'there is no order % of trader % to replace', NEW.replaces, NEW.trader_id
                USING ERRCODE = 'foreign_key_violation', TABLE = 'orders',
                CONSTRAINT = 'fk_orders_replaces';
        END IF;
        NEW.root_id := replaced.root_id;
    END IF;
    NEW.created_at := pg_catalog.clock_timestamp();
    NEW.updated_at := NEW.created_at;
    RETURN NEW;
END
$function$
;

CREATE OR REPLACE FUNCTION public.orders_log_submitted()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
 SET enable_seqscan TO 'off'
AS $function$
DECLARE
    has_breaks boolean;
    replaced text;
BEGIN
    IF NEW.replaces IS NOT NULL THEN
        -- Before SUBMITTED takes its number: in the log it follows all that the replaced order did while it was open.
        SELECT status::text INTO replaced FROM orders WHERE id = NEW.replaces FOR NO KEY UPDATE;
    END IF;
    INSERT INTO execution_logs (
        sequence, order_id, trader_id, action, status, timestamp, created_at, reason
    )
    SELECT pg_catalog.nextval('execution_logs_sequence'::regclass), NEW.id, NEW.trader_id, 'SUBMITTED',
        'PENDING', NEW.created_at, NEW.created_at, 'replaces order ' || NEW.replaces::text
    WHERE NOT EXISTS (SELECT FROM execution_logs WHERE order_id = NEW.id)
    -- From PostgreSQL 18 on NEW means another row in RETURNING.
    RETURNING EXISTS (SELECT FROM breaks WHERE breaks.order_id = execution_logs.order_id) INTO has_breaks;
    IF NOT FOUND THEN
        -- Another row of the same statement has changed the order before SUBMITTED was logged.
        RAISE EXCEPTION 'order %: another row of the same statement moves it before SUBMITTED; use a '
            'statement for each', NEW.id
            USING ERRCODE = 'check_violation', TABLE = 'orders', CONSTRAINT = 'orders_transition';
    END IF;
    IF has_breaks THEN
        -- Breaks that named the order before it was submitted.
        UPDATE orders SET break_count = (SELECT count(*) FROM breaks WHERE order_id = NEW.id)
        WHERE id = NEW.id;
    END IF;
    IF NEW.replaces IS NOT NULL THEN
        IF replaced IN ('PENDING', 'PARTIAL') THEN
            PERFORM blotter_end_replaced(NEW.replaces, NEW.id);
        ELSIF replaced = 'FILLED' THEN
            -- Written although nothing changes: a concurrent bust that would reopen the order does not see the
            -- replacement yet, and must wait for this row instead.
            UPDATE orders SET updated_at = updated_at WHERE id = NEW.replaces;
        ELSE
            RAISE EXCEPTION 'order % is %, which does not allow order % to replace it; only a PENDING, '
                'PARTIAL or FILLED order can be replaced', NEW.replaces, replaced, NEW.id
                USING ERRCODE = 'check_violation', TABLE = 'orders', CONSTRAINT = 'orders_transition';
        END IF;
    END IF;
    RETURN NULL;
END
$function$
;

CREATE OR REPLACE FUNCTION public.seals_follow()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'public', 'pg_temp'
AS $function$
DECLARE
    last record;
BEGIN
    NEW.sealed_by := session_user;
    SELECT id, origin, size, settled INTO last FROM seals ORDER BY id DESC LIMIT 1;
    IF NEW.id > coalesce(last.id, 0) AND NOT (
        NEW.id = coalesce(last.id, 0) + 1
        AND NEW.origin = coalesce(last.origin, NEW.origin)
        AND NEW.size = coalesce(last.size, 0) + octet_length(NEW.leaves) / 32
        AND NEW.settled >= coalesce(last.settled, 0)
    ) THEN
        RAISE EXCEPTION 'seal % does not follow seal %', NEW.id, coalesce(last.id, 0)
            USING ERRCODE = 'check_violation', TABLE = 'seals', CONSTRAINT = 'seals_follow';
    END IF;
    RETURN NEW;
END
$function$
;
