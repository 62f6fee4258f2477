-- Promises the columns, keys and indexes that the base schema lacks. Each column is nullable or set by the
-- database: an INSERT that names only base columns works as before.
--
-- The order's terms in full: side, time in force, stop limit, currency, account, trading day and instructions.
-- Order chains: an order that replaces another one has its root.
-- Idempotent writes: the ids that clients and venues give to orders, executions and reports are stored and
-- unique, so a message that arrives twice is one row. Each log entry names its fill, its number in the whole
-- log, and who acted.
--
-- Rules that only an INSERT can break have no CHECK here: PostgreSQL parses a CHECK again for each statement,
-- also for the UPDATE of every fill. They are in the insert triggers (derive_orders, derive_fills,
-- derive_log), under the names of constraints.

CREATE TYPE side_enum AS ENUM ('BUY', 'SELL', 'SELL_SHORT', 'SELL_SHORT_EXEMPT');
COMMENT ON TYPE side_enum IS 'Which way an order trades (FIX tag 54, Side: 1, 2, 5, 6)';

CREATE TYPE time_in_force_enum AS ENUM ('DAY', 'GTC', 'OPG', 'IOC', 'FOK', 'GTX', 'GTD', 'CLS');
COMMENT ON TYPE time_in_force_enum IS 'How long an order stays open (FIX tag 59, TimeInForce: 0 to 7)';

ALTER TABLE orders ADD COLUMN filled_notional numeric NOT NULL DEFAULT 0;
ALTER TABLE orders ADD COLUMN side side_enum;
ALTER TABLE orders ADD COLUMN client_order_id varchar(64);
ALTER TABLE orders ADD COLUMN venue_order_id varchar(64);
ALTER TABLE orders ADD COLUMN replaces uuid CONSTRAINT fk_orders_replaces REFERENCES orders (id);
ALTER TABLE orders ADD COLUMN root_id uuid NOT NULL;
ALTER TABLE orders ADD COLUMN break_count integer NOT NULL DEFAULT 0;
ALTER TABLE orders ADD COLUMN trading_day date;
ALTER TABLE orders ADD COLUMN account varchar(64);
ALTER TABLE orders ADD COLUMN time_in_force time_in_force_enum;
ALTER TABLE orders ADD COLUMN limit_price numeric(10, 2);
ALTER TABLE orders ADD COLUMN currency varchar(3);
ALTER TABLE orders ADD COLUMN received_at timestamptz;
ALTER TABLE orders ADD COLUMN instructions jsonb;

COMMENT ON COLUMN orders.filled_notional IS
    'Sum of quantity x price of the fills that count, exact (FIX tag 381, GrossTradeAmt)';
COMMENT ON COLUMN orders.side IS
    'BUY / SELL / SELL_SHORT / SELL_SHORT_EXEMPT (FIX tag 54, Side); null in rows inserted with base columns only';
COMMENT ON COLUMN orders.client_order_id IS
    'The client''s id of the order, unique per trader and trading day (FIX tag 11, ClOrdID)';
COMMENT ON COLUMN orders.venue_order_id IS
    'The venue''s id of the order, taken from the log (FIX tag 37, OrderID)';
COMMENT ON COLUMN orders.replaces IS
    'The order that this one replaces and so cancels (FIX tag 41, OrigClOrdID)';
COMMENT ON COLUMN orders.root_id IS
    'First order of the order chain, set by the database: of a replacement, the root of the replaced order; else its own id';
COMMENT ON COLUMN orders.break_count IS 'How many breaks name the order, counted by the database';
COMMENT ON COLUMN orders.trading_day IS
    'Trading day of the client order id, where ids start again each day; else null (FIX tag 75, TradeDate)';
COMMENT ON COLUMN orders.account IS 'Account that the order trades for (FIX tag 1, Account)';
COMMENT ON COLUMN orders.time_in_force IS
    'How long the order stays open (FIX tag 59, TimeInForce); null if not stated, which FIX reads as DAY';
COMMENT ON COLUMN orders.limit_price IS
    'Limit price of a stop-limit order; its price is the trigger (FIX tag 44, Price, of 40=4)';
COMMENT ON COLUMN orders.currency IS 'Currency of the prices, ISO 4217 (FIX tag 15, Currency)';
COMMENT ON COLUMN orders.received_at IS
    'When the order was received from the customer (FIX tag 60, TransactTime, of 35=D)';
COMMENT ON COLUMN orders.instructions IS
    'Further terms of the order, an object of strings: FIX tag or name -> value (e.g. 18, 21, 110)';

ALTER TABLE fills ADD COLUMN trader_id uuid NOT NULL;
ALTER TABLE fills ADD COLUMN execution_id varchar(64);
ALTER TABLE fills ADD COLUMN amends uuid CONSTRAINT fk_fills_amends REFERENCES fills (id);
ALTER TABLE fills ADD COLUMN is_bust boolean NOT NULL DEFAULT false;
ALTER TABLE fills ADD COLUMN root_id uuid NOT NULL;
ALTER TABLE fills ADD COLUMN source varchar(50) NOT NULL;
ALTER TABLE fills ADD COLUMN rebate numeric(10, 2) NOT NULL DEFAULT 0;

COMMENT ON COLUMN fills.trader_id IS 'Trader of the order, set by the database';
COMMENT ON COLUMN fills.execution_id IS
    'Id of the execution, unique per order chain, source and kind (FIX tag 17, ExecID)';
COMMENT ON COLUMN fills.amends IS
    'The fill that this row supersedes: a correction counts instead of it, a bust cancels it (FIX tag 19, ExecRefID)';
COMMENT ON COLUMN fills.is_bust IS
    'True: cancels the amended fill entirely, and this row does not count either (FIX 150=H)';
COMMENT ON COLUMN fills.root_id IS 'First order of the order chain, set by the database';
COMMENT ON COLUMN fills.source IS 'Who assigned the execution id, such as a broker; by default the venue';
COMMENT ON COLUMN fills.rebate IS 'What the venue paid for this fill: a negative commission (FIX tag 12 below 0)';

-- No foreign key on fill_id: only the database writes it, from the row in its hands; the key would lock, and
-- so rewrite, each fill that has just been stored.
ALTER TABLE execution_logs ADD COLUMN sequence bigint NOT NULL;
ALTER TABLE execution_logs ADD COLUMN fill_id uuid;
ALTER TABLE execution_logs ADD COLUMN venue_order_id varchar(64);
ALTER TABLE execution_logs ADD COLUMN acted_by text NOT NULL DEFAULT session_user;
ALTER TABLE execution_logs ADD COLUMN acted_as text NOT NULL DEFAULT coalesce(nullif(current_setting('role'), 'none'), session_user);
ALTER TABLE execution_logs ADD COLUMN reported_at timestamptz;
ALTER TABLE execution_logs ADD COLUMN report_id uuid;
-- A CHECK, because it also bounds what the sequence itself gives: a number that no scan reaches would be an
-- entry that nobody sees. The largest is the largest integer that a JSON number holds exactly, 2^53 - 1.
ALTER TABLE execution_logs ADD CONSTRAINT ck_execution_logs_sequence_bounded CHECK (sequence BETWEEN 1 AND 9007199254740991);

COMMENT ON COLUMN execution_logs.sequence IS
    'Number of the entry in the whole log, from 1; entries of one order are numbered in the order in which they happened';
COMMENT ON COLUMN execution_logs.fill_id IS 'The fill, bust or correction that was booked';
COMMENT ON COLUMN execution_logs.venue_order_id IS
    'The venue''s id of the order, where the action reports it (FIX tag 37, OrderID)';
COMMENT ON COLUMN execution_logs.acted_by IS 'Login that acted';
COMMENT ON COLUMN execution_logs.acted_as IS 'Database role it acted as';
COMMENT ON COLUMN execution_logs.reported_at IS
    'When it happened, as the venue reports it (FIX tag 60, TransactTime)';
COMMENT ON COLUMN execution_logs.report_id IS
    'Id of the report that the action was read from, unique per order: the same report adds no second entry';

-- A gap is no proof of a missing entry: refused and rolled-back statements leave gaps, and breaks, their
-- resolutions and traders have numbers of the same sequence.
CREATE SEQUENCE execution_logs_sequence OWNED BY execution_logs.sequence;

DO $$
BEGIN
    -- A host application's own `traders` table is left as it is.
    IF obj_description(to_regclass(format('%I.traders', current_schema())), 'pg_class')
        = 'Traders, the owners of orders (table created by tradeblotter)'
    THEN
        ALTER TABLE traders ADD CONSTRAINT ck_traders_created_at_readable
            CHECK (created_at BETWEEN '0001-01-01 00:00:00+00' AND '9999-12-31 23:59:59.999999+00');
        ALTER TABLE traders
            ADD COLUMN sequence bigint NOT NULL,
            ADD CONSTRAINT ck_traders_sequence_bounded CHECK (sequence BETWEEN 1 AND 9007199254740991),
            ADD CONSTRAINT uq_traders_sequence UNIQUE (sequence);
        COMMENT ON COLUMN traders.sequence IS 'Number in the sequence of the log, by which the row is sealed';
    END IF;
END
$$;

-- Without a trading day, ids are unique for ever.
CREATE UNIQUE INDEX uq_orders_client_order_id
    ON orders (trader_id, client_order_id, coalesce(trading_day, '-infinity'))
    WHERE client_order_id IS NOT NULL;
CREATE UNIQUE INDEX uq_orders_replaces ON orders (replaces) WHERE replaces IS NOT NULL;
CREATE INDEX idx_orders_root ON orders (root_id) WHERE replaces IS NOT NULL;
CREATE INDEX idx_orders_venue_order ON orders (venue_order_id) WHERE venue_order_id IS NOT NULL;
-- A bust or a correction may carry the execution id of the fill that it amends, so the kind is part of the key.
CREATE UNIQUE INDEX uq_fills_execution_id
    ON fills (root_id, execution_id, source, is_bust, (amends IS NOT NULL))
    WHERE execution_id IS NOT NULL;
CREATE UNIQUE INDEX uq_fills_amends ON fills (amends) WHERE amends IS NOT NULL;
CREATE UNIQUE INDEX uq_execution_logs_sequence ON execution_logs (sequence);
CREATE UNIQUE INDEX uq_execution_logs_report_id ON execution_logs (order_id, report_id)
    WHERE report_id IS NOT NULL;

-- For a trader's most frequent reads under row-level security. Comparison of enums is not leakproof, so
-- PostgreSQL evaluates it only on rows that the policies have let through: of idx_orders_trader_status it can
-- use the trader alone. A partial index needs no comparison: its condition holds for each of its rows.
CREATE INDEX idx_orders_trader_open ON orders (trader_id, created_at DESC)
    WHERE status IN ('PENDING', 'PARTIAL');
CREATE INDEX idx_fills_trader_timestamp ON fills (trader_id, timestamp DESC);
-- With idx_execution_logs_order alone, PostgreSQL evaluates the identity for each entry of the order, 0.3 µs.
CREATE INDEX idx_execution_logs_order_trader ON execution_logs (order_id, trader_id);

-- The widths of the columns that the owner can widen (widen_columns). Callable by everybody: a client that did not
-- know them would send values that PostgreSQL rounds. The bodies are parsed when the functions are created, so
-- the caller's search path has no influence.

-- Returns the number of decimal places of the price and commission columns.
CREATE FUNCTION blotter_scale() RETURNS integer LANGUAGE sql STABLE
    RETURN (
        SELECT (atttypmod - 4) & 2047 FROM pg_attribute
        WHERE attrelid = 'fills'::regclass AND attname = 'price_at_fill'
    );

-- Returns the number of characters that a symbol may have.
CREATE FUNCTION blotter_symbol_length() RETURNS integer LANGUAGE sql STABLE
    RETURN (
        SELECT atttypmod - 4 FROM pg_attribute
        WHERE attrelid = 'orders'::regclass AND attname = 'symbol'
    );
