-- Promises the columns, constraints and indexes that the base schema lacks.
--
-- Idempotent writes: the ids that clients and venues give to orders, executions and corrections are stored and
-- unique, so a message that arrives twice is one row. Each log entry names its fill, its number in the whole
-- log, and who acted. Each column is nullable or set by the database: an INSERT that names only base columns
-- works as before.
--
-- Readable rows: prices are positive; no amount is NaN, which PostgreSQL treats as greater than 0; no text that
-- must say something is blank; the latest timestamp is the latest that chrono can hold (PostgreSQL allows the
-- year 294276 and infinity). Rows are never removed, so one unreadable row would break every page that contains
-- it.

CREATE TYPE side_enum AS ENUM ('BUY', 'SELL');
COMMENT ON TYPE side_enum IS 'Which way an order trades (FIX tag 54, Side)';

ALTER TABLE orders
    ADD COLUMN filled_notional numeric NOT NULL DEFAULT 0,
    ADD COLUMN side side_enum,
    ADD COLUMN client_order_id varchar(64),
    ADD COLUMN venue_order_id varchar(64),
    ADD COLUMN replaces uuid CONSTRAINT fk_orders_replaces REFERENCES orders (id),
    ADD CONSTRAINT ck_orders_symbol_not_blank CHECK (symbol ~ '[^[:space:]]'),
    ADD CONSTRAINT ck_orders_client_order_id_not_blank CHECK (client_order_id ~ '[^[:space:]]'),
    ADD CONSTRAINT ck_orders_venue_order_id_not_blank CHECK (venue_order_id ~ '[^[:space:]]'),
    ADD CONSTRAINT ck_orders_price_not_nan CHECK (price <> 'NaN'),
    ADD CONSTRAINT ck_orders_stop_loss_positive CHECK (stop_loss > 0 AND stop_loss <> 'NaN'),
    ADD CONSTRAINT ck_orders_take_profit_positive CHECK (take_profit > 0 AND take_profit <> 'NaN'),
    ADD CONSTRAINT ck_orders_average_fill_price_positive
        CHECK (average_fill_price > 0 AND average_fill_price <> 'NaN'),
    -- What clients can read, however wide the columns are. NaN has the constraints above.
    ADD CONSTRAINT ck_orders_money_in_range CHECK (
        nullif(greatest(price, stop_loss, take_profit, average_fill_price), 'NaN') < 100000000
    ),
    ADD CONSTRAINT ck_orders_expires_at_readable
        CHECK (expires_at > '-infinity' AND expires_at < '262143-01-01 00:00:00+00');

COMMENT ON COLUMN orders.filled_notional IS
    'Sum of quantity x price of the fills that count, exact (FIX tag 381, GrossTradeAmt)';
COMMENT ON COLUMN orders.side IS 'BUY / SELL (FIX tag 54, Side); null in rows inserted with base columns only';
COMMENT ON COLUMN orders.client_order_id IS
    'The client''s id of the order, unique per trader (FIX tag 11, ClOrdID)';
COMMENT ON COLUMN orders.venue_order_id IS
    'The venue''s id of the order, taken from the log (FIX tag 37, OrderID)';
COMMENT ON COLUMN orders.replaces IS
    'The order that this one replaces and so cancels (FIX tag 41, OrigClOrdID)';

ALTER TABLE fills
    ADD COLUMN trader_id uuid NOT NULL,
    ADD COLUMN execution_id varchar(64),
    ADD COLUMN amends uuid CONSTRAINT fk_fills_amends REFERENCES fills (id),
    ADD COLUMN is_bust boolean NOT NULL DEFAULT false,
    ADD CONSTRAINT ck_fills_venue_not_blank CHECK (venue ~ '[^[:space:]]'),
    ADD CONSTRAINT ck_fills_execution_id_not_blank CHECK (execution_id ~ '[^[:space:]]'),
    ADD CONSTRAINT ck_fills_bust_amends CHECK (amends IS NOT NULL OR NOT is_bust),
    ADD CONSTRAINT ck_fills_price_not_nan CHECK (price_at_fill <> 'NaN'),
    ADD CONSTRAINT ck_fills_commission_not_nan CHECK (commission <> 'NaN'),
    ADD CONSTRAINT ck_fills_money_in_range
        CHECK (nullif(greatest(price_at_fill, commission), 'NaN') < 100000000),
    ADD CONSTRAINT ck_fills_timestamp_readable
        CHECK (timestamp > '-infinity' AND timestamp < '262143-01-01 00:00:00+00');

COMMENT ON COLUMN fills.trader_id IS 'Trader of the order, set by the database';
COMMENT ON COLUMN fills.execution_id IS
    'The venue''s id of the execution, unique per order and venue (FIX tag 17, ExecID)';
COMMENT ON COLUMN fills.amends IS
    'The fill that this row supersedes: a correction counts instead of it, a bust cancels it (FIX tag 19, ExecRefID)';
COMMENT ON COLUMN fills.is_bust IS
    'True: cancels the amended fill entirely, and this row does not count either (FIX 150=H)';

-- No foreign key on fill_id: only the database writes it, from the row in its hands; the key would lock, and
-- so rewrite, each fill that has just been stored.
ALTER TABLE execution_logs
    ADD COLUMN sequence bigint NOT NULL,
    ADD COLUMN fill_id uuid,
    ADD COLUMN venue_order_id varchar(64),
    ADD COLUMN acted_by text NOT NULL DEFAULT session_user,
    ADD COLUMN acted_as text NOT NULL DEFAULT coalesce(nullif(current_setting('role'), 'none'), session_user),
    ADD COLUMN reported_at timestamptz,
    ADD CONSTRAINT ck_execution_logs_reason_short CHECK (char_length(reason) <= 1000),
    ADD CONSTRAINT ck_execution_logs_retry_attempt_nonnegative CHECK (retry_attempt >= 0),
    ADD CONSTRAINT ck_execution_logs_venue_order_id_not_blank
        CHECK (venue_order_id ~ '[^[:space:]]'),
    ADD CONSTRAINT ck_execution_logs_reported_at_readable CHECK (
        reported_at > '-infinity' AND reported_at < '262143-01-01 00:00:00+00'
    );

COMMENT ON COLUMN execution_logs.sequence IS
    'Number of the entry in the whole log; entries of one order are numbered in the order in which they happened';
COMMENT ON COLUMN execution_logs.fill_id IS 'The fill, bust or correction that was booked';
COMMENT ON COLUMN execution_logs.venue_order_id IS
    'The venue''s id of the order, where the action reports it (FIX tag 37, OrderID)';
COMMENT ON COLUMN execution_logs.acted_by IS 'Login that acted';
COMMENT ON COLUMN execution_logs.acted_as IS 'Database role it acted as';
COMMENT ON COLUMN execution_logs.reported_at IS
    'When it happened, as the venue reports it (FIX tag 60, TransactTime)';

-- A gap is no proof of a missing entry: refused and rolled-back statements leave gaps.
CREATE SEQUENCE execution_logs_sequence OWNED BY execution_logs.sequence;

DO $$
BEGIN
    -- A host application's own `traders` table is left as it is.
    IF obj_description(to_regclass(format('%I.traders', current_schema())), 'pg_class')
        = 'Traders, the owners of orders (table created by tradeblotter)'
    THEN
        ALTER TABLE traders ADD CONSTRAINT ck_traders_created_at_readable
            CHECK (created_at > '-infinity' AND created_at < '262143-01-01 00:00:00+00');
    END IF;
END
$$;

CREATE UNIQUE INDEX uq_orders_client_order_id ON orders (trader_id, client_order_id)
    WHERE client_order_id IS NOT NULL;
CREATE UNIQUE INDEX uq_orders_replaces ON orders (replaces) WHERE replaces IS NOT NULL;
CREATE INDEX idx_orders_venue_order ON orders (venue_order_id) WHERE venue_order_id IS NOT NULL;
CREATE UNIQUE INDEX uq_fills_execution_id ON fills (order_id, venue, execution_id)
    WHERE execution_id IS NOT NULL;
CREATE UNIQUE INDEX uq_fills_amends ON fills (amends) WHERE amends IS NOT NULL;
CREATE UNIQUE INDEX uq_execution_logs_sequence ON execution_logs (sequence);

-- For a trader's most frequent reads under row-level security. Comparison of enums is not leakproof, so
-- PostgreSQL evaluates it only on rows that the policies have let through: of idx_orders_trader_status it can
-- use the trader alone. A partial index needs no comparison: its condition holds for each of its rows.
CREATE INDEX idx_orders_trader_open ON orders (trader_id, created_at DESC)
    WHERE status IN ('PENDING', 'PARTIAL');
CREATE INDEX idx_fills_trader_timestamp ON fills (trader_id, timestamp DESC);
