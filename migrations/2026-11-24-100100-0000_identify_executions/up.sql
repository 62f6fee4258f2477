-- Promises idempotent writes: the ids that clients and venues give to orders, executions and corrections are
-- stored and unique, so a message that arrives twice is one row. And promises that each log entry names its
-- fill, its number in the whole log, and who acted.
--
-- Each new column is nullable or has a default: an INSERT that names only base columns works as before.

CREATE TYPE side_enum AS ENUM ('BUY', 'SELL');
COMMENT ON TYPE side_enum IS 'Which way an order trades (FIX tag 54, Side)';

ALTER TABLE orders
    ADD COLUMN side side_enum,
    ADD COLUMN client_order_id varchar(64),
    ADD COLUMN venue_order_id varchar(64),
    ADD COLUMN replaces uuid CONSTRAINT fk_orders_replaces REFERENCES orders (id),
    ADD CONSTRAINT ck_orders_client_order_id_not_blank CHECK (client_order_id ~ '[^[:space:]]'),
    ADD CONSTRAINT ck_orders_venue_order_id_not_blank CHECK (venue_order_id ~ '[^[:space:]]');

COMMENT ON COLUMN orders.side IS 'BUY / SELL (FIX tag 54, Side); null in rows inserted with base columns only';
COMMENT ON COLUMN orders.client_order_id IS
    'The client''s id of the order, unique per trader (FIX tag 11, ClOrdID)';
COMMENT ON COLUMN orders.venue_order_id IS
    'The venue''s id of the order, taken from the log (FIX tag 37, OrderID)';
COMMENT ON COLUMN orders.replaces IS
    'The order that this one replaces and so cancels (FIX tag 41, OrigClOrdID)';

ALTER TABLE fills
    ADD COLUMN execution_id varchar(64),
    ADD COLUMN amends uuid CONSTRAINT fk_fills_amends REFERENCES fills (id),
    ADD COLUMN is_bust boolean NOT NULL DEFAULT false,
    ADD CONSTRAINT ck_fills_execution_id_not_blank CHECK (execution_id ~ '[^[:space:]]'),
    ADD CONSTRAINT ck_fills_bust_amends CHECK (amends IS NOT NULL OR NOT is_bust);

COMMENT ON COLUMN fills.execution_id IS
    'The venue''s id of the execution, unique per order and venue (FIX tag 17, ExecID)';
COMMENT ON COLUMN fills.amends IS
    'The fill that this row supersedes: a correction counts instead of it, a bust cancels it (FIX tag 19, ExecRefID)';
COMMENT ON COLUMN fills.is_bust IS
    'True: cancels the amended fill entirely, and this row does not count either (FIX 150=H)';

-- No foreign key on fill_id: only the database writes it, from the row in its hands; the key would lock, and
-- so rewrite, each fill that has just been stored.
ALTER TABLE execution_logs
    ADD COLUMN sequence bigint,
    ADD COLUMN fill_id uuid,
    ADD COLUMN venue_order_id varchar(64),
    ADD COLUMN acted_by text,
    ADD COLUMN acted_as text,
    ADD CONSTRAINT ck_execution_logs_venue_order_id_not_blank
        CHECK (venue_order_id ~ '[^[:space:]]');

-- Rows stored before stay null: nobody knows who wrote them.
ALTER TABLE execution_logs
    ALTER COLUMN acted_by SET DEFAULT session_user,
    ALTER COLUMN acted_as SET DEFAULT coalesce(
        nullif(current_setting('role'), 'none'), session_user
    );

COMMENT ON COLUMN execution_logs.sequence IS
    'Number of the entry in the whole log; entries of one order are numbered in the order in which they happened';
COMMENT ON COLUMN execution_logs.fill_id IS 'The fill, bust or correction that was booked';
COMMENT ON COLUMN execution_logs.venue_order_id IS
    'The venue''s id of the order, where the action reports it (FIX tag 37, OrderID)';
COMMENT ON COLUMN execution_logs.acted_by IS
    'Login that acted; null in entries older than this column';
COMMENT ON COLUMN execution_logs.acted_as IS
    'Database role it acted as; null in entries older than this column';

CREATE UNIQUE INDEX uq_orders_client_order_id ON orders (trader_id, client_order_id)
    WHERE client_order_id IS NOT NULL;
CREATE UNIQUE INDEX uq_orders_replaces ON orders (replaces) WHERE replaces IS NOT NULL;
CREATE INDEX idx_orders_venue_order ON orders (venue_order_id) WHERE venue_order_id IS NOT NULL;
CREATE UNIQUE INDEX uq_fills_execution_id ON fills (order_id, venue, execution_id)
    WHERE execution_id IS NOT NULL;
CREATE UNIQUE INDEX uq_fills_amends ON fills (amends) WHERE amends IS NOT NULL;
CREATE UNIQUE INDEX uq_execution_logs_sequence ON execution_logs (sequence);

-- Prevents a change of an order's terms or of its trader after submission.
CREATE OR REPLACE TRIGGER orders_keep_terms BEFORE UPDATE OF
    id, trader_id, symbol, quantity, order_type, price, stop_loss, take_profit, created_at, expires_at,
    side, client_order_id, replaces
    ON orders FOR EACH ROW EXECUTE FUNCTION blotter_refuse_change();
ALTER TABLE orders ENABLE ALWAYS TRIGGER orders_keep_terms;
