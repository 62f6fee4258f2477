-- The book that the reads are measured on: as many orders as `benchmark.orders` says, over a trader
-- to every 500 of them, of whom Trader 0 has a tenth; two fills to an order and more; and the log
-- that goes with them. As the triggers would have left it, and in the order of time.
--
-- Inserted as a replica would: the triggers that derive and those of the foreign keys rest. The
-- guards don't, and need not, since nothing is changed once it stands.

SET session_replication_role = replica;
SET work_mem = '512MB';
SELECT setseed(0.5);

CREATE FUNCTION pg_temp.uuid_at(at timestamptz, n bigint) RETURNS uuid LANGUAGE sql IMMUTABLE
    RETURN (
        lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0')
        || '7' || lpad(to_hex(n % 4096), 3, '0') || '8' || left(md5(n::text), 15)
    )::uuid;

CREATE TEMPORARY TABLE book AS
WITH size AS (
    SELECT orders, orders / 500 AS traders
    FROM (SELECT current_setting('benchmark.orders')::integer AS orders) AS given
), drawn AS (
    SELECT n, orders, random() AS fate, random() AS luck,
        CASE WHEN n % 10 = 0 THEN 0 ELSE 1 + floor(random() * (traders - 1)) END::integer AS trader,
        60 * (1 + floor(random() * 20))::integer AS quantity,
        (10 + random() * 400)::numeric(10, 2) AS price
    FROM size, generate_series(1, orders) AS n
), fated AS (
    SELECT *, row_number() OVER (PARTITION BY trader ORDER BY n) = 1 AND trader < 2 AS unanswered,
        -- The open orders of Trader 0 are few and far between: a walk along its orders to find
        -- them would pass some three hundred others for each.
        CASE trader WHEN 0 THEN 0.003 ELSE 0.02 END AS open
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
    END AS fills,
    transaction_timestamp() - interval '90 days' * (1 - n::double precision / orders) AS at
    FROM ended
)
SELECT n, at, status, fills, quantity, price, unanswered,
    pg_temp.uuid_at(at, n) AS id,
    pg_temp.uuid_at('2026-01-01', trader) AS trader_id,
    quantity / CASE status WHEN 'FILLED' THEN fills ELSE 2 END AS to_each_fill
FROM filled;

INSERT INTO traders (id, name)
SELECT pg_temp.uuid_at('2026-01-01', trader), 'Trader ' || trader
FROM generate_series(0, current_setting('benchmark.orders')::integer / 500 - 1) AS trader;

INSERT INTO orders (
    id, trader_id, symbol, quantity, order_type, price, status, filled_quantity, filled_notional,
    average_fill_price, created_at, updated_at
)
SELECT id, trader_id, ('{AAPL,AMZN,IBM,JPM,MSFT,NVDA,TSLA,XOM}'::text[])[1 + n % 8], quantity,
    CASE n % 3 WHEN 0 THEN 'MARKET' WHEN 1 THEN 'LIMIT' ELSE 'STOP' END::order_type_enum,
    CASE WHEN n % 3 <> 0 THEN price END, status, fills * to_each_fill,
    to_each_fill * notional, notional / nullif(fills, 0), at,
    at + CASE status
        WHEN 'REJECTED' THEN interval '0.5 s'
        WHEN 'CANCELLED' THEN interval '60 s'
        ELSE interval '2.05 s' * fills
    END
FROM book, LATERAL (SELECT fills * price + 0.01 * fills * (fills + 1) / 2 AS notional) AS of_one
ORDER BY n;

INSERT INTO fills (
    id, order_id, trader_id, timestamp, quantity_filled, price_at_fill, venue, commission, created_at
)
SELECT pg_temp.uuid_at(at + interval '2 s' * k, n * 4 + k), id, trader_id, at + interval '2 s' * k,
    to_each_fill, price + 0.01 * k, ('{ARCA,NASDAQ,NYSE}'::text[])[1 + n % 3], 0.35,
    at + interval '2.05 s' * k
FROM book, generate_series(1, fills) AS k
ORDER BY 4;

INSERT INTO execution_logs (
    order_id, trader_id, action, status, timestamp, reason, retry_attempt, error_code, created_at
)
SELECT id, trader_id, action::action_enum, log.status::order_status_enum, at + later, reason, retry,
    code, at + later
FROM book, LATERAL (
    SELECT 'SUBMITTED', 'PENDING', interval '0 s', NULL, NULL::integer, NULL
    UNION ALL
    SELECT 'APPROVED', 'PENDING', interval '0.2 s', NULL, NULL, NULL WHERE n % 2 = 1
    UNION ALL
    SELECT 'FILLED', CASE WHEN book.status = 'FILLED' AND k = fills THEN 'FILLED' ELSE 'PARTIAL' END,
        interval '2.05 s' * k, NULL, NULL, NULL
    FROM generate_series(1, fills) AS k
    UNION ALL
    SELECT 'REJECTED', 'REJECTED', interval '0.5 s', 'unknown symbol', NULL, '103=1'
    WHERE book.status = 'REJECTED'
    UNION ALL
    SELECT 'CANCELLED', 'CANCELLED', interval '60 s', 'cancelled by the trader', NULL, NULL
    WHERE book.status = 'CANCELLED'
    UNION ALL
    -- An order that no venue answers, tried again every minute: a thousand entries in all.
    SELECT 'RECOVERED', 'PENDING', interval '60 s' * again, 'no answer from the venue, sent again',
        again, NULL
    FROM generate_series(1, 999 - n % 2) AS again WHERE unanswered
) AS log (action, status, later, reason, retry, code)
ORDER BY at + later;

RESET session_replication_role;

-- What the resting triggers would have seen to.
DO $$
BEGIN
    IF EXISTS (
        SELECT FROM fills LEFT JOIN orders ON orders.id = order_id
        WHERE fills.trader_id IS DISTINCT FROM orders.trader_id
    ) OR EXISTS (
        SELECT FROM execution_logs LEFT JOIN orders ON orders.id = order_id
        WHERE execution_logs.trader_id IS DISTINCT FROM orders.trader_id
    ) OR EXISTS (
        SELECT FROM orders LEFT JOIN traders ON traders.id = trader_id WHERE traders.id IS NULL
    ) OR EXISTS (
        SELECT FROM orders
        LEFT JOIN (
            SELECT order_id, count(*) AS fills, sum(quantity_filled) AS quantity,
                sum(quantity_filled * price_at_fill) AS notional
            FROM fills GROUP BY order_id
        ) AS filled ON filled.order_id = id
        LEFT JOIN (
            SELECT order_id, count(*) FILTER (WHERE action = 'FILLED') AS fills,
                count(*) FILTER (WHERE action = 'SUBMITTED') AS submissions
            FROM execution_logs GROUP BY order_id
        ) AS logged ON logged.order_id = id
        WHERE filled_quantity <> coalesce(filled.quantity, 0)
            OR filled_notional <> coalesce(filled.notional, 0)
            OR average_fill_price IS DISTINCT FROM round(filled.notional / filled.quantity, 2)
            OR (status = 'FILLED') <> (filled_quantity = orders.quantity)
            OR coalesce(filled.fills, 0) <> logged.fills
            OR logged.submissions IS DISTINCT FROM 1
    ) THEN
        RAISE EXCEPTION 'the book of the benchmark does not add up';
    END IF;
END
$$;
