-- Generates a part of the dataset that reads are measured on: the orders from number `benchmark.first` to
-- `benchmark.last`, one every four seconds, over `benchmark.traders` traders, of whom Trader 0 has a
-- twentieth; two fills per order on average; and the entries of the execution log. The rows are as the triggers
-- would have left them, in the order of time.
--
-- They are inserted in the replica role, in which the deriving triggers and the foreign keys' triggers do not
-- fire. The guards do, which is no obstacle: no row is changed after it is inserted.

SET session_replication_role = replica;
SET work_mem = '512MB';
SELECT setseed(1.0 / current_setting('benchmark.first')::double precision);

-- Returns a UUIDv7 of these milliseconds, with the number in place of the random bits.
CREATE FUNCTION pg_temp.uuid_at(milliseconds bigint, n bigint) RETURNS uuid LANGUAGE sql IMMUTABLE
    RETURN (
        lpad(to_hex(milliseconds * 65536 + 7 * 4096 + n % 4096), 16, '0')
        || to_hex('-9223372036854775808'::bigint + n)
    )::uuid;

CREATE TEMPORARY TABLE new_orders AS
WITH drawn AS (
    SELECT n, random() AS fate, random() AS luck,
        CASE WHEN n % 20 = 0 THEN 0
            ELSE 1 + floor(random() * (current_setting('benchmark.traders')::integer - 1))
        END::integer AS trader,
        60 * (1 + floor(random() * 20))::integer AS quantity,
        (10 + random() * 400)::numeric(10, 2) AS price,
        1704067200000 + 4000 * n AS milliseconds
    FROM generate_series(
        current_setting('benchmark.first')::bigint, current_setting('benchmark.last')::bigint
    ) AS n
), fated AS (
    SELECT *, current_setting('benchmark.first') = '1' AND trader < 2
            AND row_number() OVER (PARTITION BY trader ORDER BY n) = 1 AS unanswered,
        -- Only one in a hundred orders of Trader 0 is open, so a plan that scans its orders to find the open
        -- ones discards a hundred rows for each.
        CASE trader WHEN 0 THEN 0.01 ELSE 0.02 END AS open
    FROM drawn
), ended AS (
    SELECT *, CASE
        WHEN unanswered OR fate < 0.6 * open THEN 'PENDING'
        WHEN fate < open THEN 'PARTIAL'
        WHEN fate < open + 0.03 THEN 'REJECTED'
        WHEN fate < open + 0.09 THEN 'CANCELLED'
        ELSE 'FILLED'
    END::order_status_enum AS status
    FROM fated
), filled AS (
    SELECT *, CASE status
        WHEN 'FILLED' THEN 2 + (luck < 0.25)::integer
        WHEN 'PARTIAL' THEN 1
        WHEN 'CANCELLED' THEN (luck < 0.3)::integer
        ELSE 0
    END AS fills
    FROM ended
)
SELECT n, milliseconds, status, fills, quantity, price, unanswered,
    to_timestamp(milliseconds / 1000) AS at,
    pg_temp.uuid_at(milliseconds, n) AS id,
    pg_temp.uuid_at(1704067200000, trader) AS trader_id,
    quantity / CASE status WHEN 'FILLED' THEN fills ELSE 2 END AS to_each_fill
FROM filled;

INSERT INTO traders (id, name)
SELECT pg_temp.uuid_at(1704067200000, trader), 'Trader ' || trader
FROM generate_series(0, current_setting('benchmark.traders')::integer - 1) AS trader
ON CONFLICT DO NOTHING;

INSERT INTO orders (
    id, root_id, trader_id, symbol, quantity, order_type, price, status, filled_quantity, filled_notional,
    average_fill_price, created_at, updated_at
)
SELECT id, id, trader_id, ('{AAPL,AMZN,IBM,JPM,MSFT,NVDA,TSLA,XOM}'::text[])[1 + n % 8], quantity,
    CASE n % 3 WHEN 0 THEN 'MARKET' WHEN 1 THEN 'LIMIT' ELSE 'STOP' END::order_type_enum,
    CASE WHEN n % 3 <> 0 THEN price END, status, fills * to_each_fill,
    to_each_fill * notional, notional / nullif(fills, 0), at,
    at + CASE status
        WHEN 'REJECTED' THEN interval '0.5 s'
        WHEN 'CANCELLED' THEN interval '60 s'
        ELSE interval '2.05 s' * fills
    END
FROM new_orders, LATERAL (SELECT fills * price + 0.01 * fills * (fills + 1) / 2 AS notional) AS of_one
ORDER BY n;

INSERT INTO fills (
    id, order_id, root_id, trader_id, timestamp, quantity_filled, price_at_fill, venue, source, commission,
    created_at
)
SELECT pg_temp.uuid_at(milliseconds + 2000 * k, n * 4 + k), id, id, trader_id,
    at + interval '2 s' * k AS timestamp, to_each_fill, price + 0.01 * k, venue, venue, 0.35,
    at + interval '2.05 s' * k
FROM new_orders, generate_series(1, fills) AS k,
    LATERAL (SELECT ('{ARCX,XNAS,XNYS}'::text[])[1 + n % 3] AS venue) AS executed
ORDER BY timestamp;

INSERT INTO execution_logs (
    sequence, order_id, trader_id, action, status, timestamp, reason, retry_attempt, error_code, fill_id,
    created_at
)
SELECT nextval('execution_logs_sequence'), entries.*, timestamp FROM (
    SELECT id, trader_id, 'SUBMITTED'::action_enum, 'PENDING'::order_status_enum, at AS timestamp,
        NULL, NULL::integer, NULL, NULL::uuid
    FROM new_orders
    UNION ALL
    SELECT id, trader_id, 'APPROVED', 'PENDING', at + interval '0.2 s', NULL, NULL, NULL, NULL
    FROM new_orders WHERE n % 2 = 1
    UNION ALL
    SELECT id, trader_id, 'FILLED',
        CASE WHEN status = 'FILLED' AND k = fills THEN 'FILLED'::order_status_enum ELSE 'PARTIAL' END,
        at + interval '2.05 s' * k, NULL, NULL, NULL,
        pg_temp.uuid_at(milliseconds + 2000 * k, n * 4 + k)
    FROM new_orders, generate_series(1, fills) AS k
    UNION ALL
    SELECT id, trader_id, 'REJECTED', 'REJECTED', at + interval '0.5 s', 'unknown symbol', NULL,
        '103=1', NULL
    FROM new_orders WHERE status = 'REJECTED'
    UNION ALL
    SELECT id, trader_id, 'CANCELLED', 'CANCELLED', at + interval '60 s', 'cancelled by the trader',
        NULL, NULL, NULL
    FROM new_orders WHERE status = 'CANCELLED'
    UNION ALL
    -- An order that no venue answers, retried every minute: a thousand entries in total.
    SELECT id, trader_id, 'RECOVERED', 'PENDING', at + interval '60 s' * again,
        'no answer from the venue, sent again', again, NULL, NULL
    FROM new_orders, generate_series(1, 999 - n % 2) AS again WHERE unanswered
    ORDER BY timestamp
) AS entries;

DROP TABLE new_orders;
DROP FUNCTION pg_temp.uuid_at;
RESET work_mem;
RESET session_replication_role;
