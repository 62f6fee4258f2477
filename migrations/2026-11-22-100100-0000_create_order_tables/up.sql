-- Promises three tables (orders, fills, execution_logs) that refuse invalid rows, show each trader its own
-- rows only (row-level security), and an append-only log: no role subject to row-level security can UPDATE
-- or DELETE an entry, the owner of the tables included.
--
-- The setting `app.user_id`, a trader's uuid, identifies the caller. Without it a session sees no rows; a
-- malformed value is an error. Once a SET LOCAL has ended, PostgreSQL returns '' and not NULL: hence NULLIF.
-- The sub-select makes PostgreSQL read the setting once per statement instead of once per row.

CREATE TYPE order_type_enum AS ENUM ('MARKET', 'LIMIT', 'STOP');
CREATE TYPE order_status_enum AS ENUM ('PENDING', 'FILLED', 'PARTIAL', 'REJECTED', 'CANCELLED');
CREATE TYPE action_enum AS ENUM (
    'SUBMITTED', 'APPROVED', 'EXECUTED', 'FILLED', 'REJECTED', 'CANCELLED', 'RECOVERED'
);

COMMENT ON TYPE order_type_enum IS 'How an order is priced (FIX tag 40, OrdType)';
COMMENT ON TYPE order_status_enum IS 'Where an order stands (FIX tag 39, OrdStatus)';
COMMENT ON TYPE action_enum IS 'What happened to an order';

CREATE TABLE orders (
    id uuid CONSTRAINT orders_pkey PRIMARY KEY DEFAULT gen_random_uuid(),
    trader_id uuid NOT NULL CONSTRAINT fk_orders_trader_id REFERENCES traders (id),
    symbol varchar(10) NOT NULL,
    quantity integer NOT NULL,
    order_type order_type_enum NOT NULL,
    price numeric(10, 2),
    stop_loss numeric(10, 2),
    take_profit numeric(10, 2),
    status order_status_enum NOT NULL DEFAULT 'PENDING',
    filled_quantity integer NOT NULL DEFAULT 0,
    average_fill_price numeric(10, 2),
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz,
    CONSTRAINT ck_orders_quantity_positive CHECK (quantity > 0),
    CONSTRAINT ck_orders_price_positive CHECK (price IS NULL OR price > 0),
    CONSTRAINT ck_orders_filled_quantity_nonnegative CHECK (filled_quantity >= 0),
    CONSTRAINT ck_orders_filled_lte_quantity CHECK (filled_quantity <= quantity),
    CONSTRAINT ck_orders_limit_requires_price CHECK (order_type = 'MARKET' OR price IS NOT NULL)
);

COMMENT ON TABLE orders IS 'Orders: the terms as submitted, and the status and totals derived from fills and actions';
COMMENT ON COLUMN orders.id IS 'Unique order identifier';
COMMENT ON COLUMN orders.trader_id IS 'Reference to trader';
COMMENT ON COLUMN orders.symbol IS 'Stock symbol (e.g. AAPL, MSFT)';
COMMENT ON COLUMN orders.quantity IS 'Number of shares to trade';
COMMENT ON COLUMN orders.order_type IS 'MARKET / LIMIT / STOP';
COMMENT ON COLUMN orders.price IS 'Limit price, or a STOP''s trigger; null for market orders';
COMMENT ON COLUMN orders.stop_loss IS 'Risk-management price: close the position at this loss';
COMMENT ON COLUMN orders.take_profit IS 'Risk-management price: close the position at this profit';
COMMENT ON COLUMN orders.status IS 'Current order status';
COMMENT ON COLUMN orders.filled_quantity IS 'Quantity filled so far';
COMMENT ON COLUMN orders.average_fill_price IS 'Average price of all fills';
COMMENT ON COLUMN orders.created_at IS 'Submitted';
COMMENT ON COLUMN orders.updated_at IS 'Last modified';
COMMENT ON COLUMN orders.expires_at IS 'Expiration, if a timeout is set';

CREATE TABLE fills (
    id uuid CONSTRAINT fills_pkey PRIMARY KEY DEFAULT gen_random_uuid(),
    order_id uuid NOT NULL CONSTRAINT fk_fills_order_id REFERENCES orders (id) ON DELETE CASCADE,
    timestamp timestamptz NOT NULL DEFAULT now(),
    quantity_filled integer NOT NULL,
    price_at_fill numeric(10, 2) NOT NULL,
    venue varchar(50) NOT NULL,
    commission numeric(10, 2) NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT ck_fills_quantity_positive CHECK (quantity_filled > 0),
    CONSTRAINT ck_fills_price_positive CHECK (price_at_fill > 0),
    CONSTRAINT ck_fills_commission_nonnegative CHECK (commission >= 0)
);

COMMENT ON TABLE fills IS 'Fills: the executions of orders, one row each';
COMMENT ON COLUMN fills.id IS 'Unique fill identifier';
COMMENT ON COLUMN fills.order_id IS 'Reference to order';
COMMENT ON COLUMN fills.timestamp IS 'When the fill occurred';
COMMENT ON COLUMN fills.quantity_filled IS 'Number of shares filled';
COMMENT ON COLUMN fills.price_at_fill IS 'Price per share';
COMMENT ON COLUMN fills.venue IS 'Venue of the execution: an ISO 10383 MIC where known (e.g. XNAS; FIX tag 30, LastMkt)';
COMMENT ON COLUMN fills.commission IS 'Commission for this fill';
COMMENT ON COLUMN fills.created_at IS 'Recorded';

CREATE TABLE execution_logs (
    id uuid CONSTRAINT execution_logs_pkey PRIMARY KEY DEFAULT gen_random_uuid(),
    order_id uuid NOT NULL
        CONSTRAINT fk_execution_logs_order_id REFERENCES orders (id) ON DELETE CASCADE,
    trader_id uuid NOT NULL CONSTRAINT fk_execution_logs_trader_id REFERENCES traders (id),
    action action_enum NOT NULL,
    status order_status_enum,
    timestamp timestamptz NOT NULL DEFAULT now(),
    reason text,
    retry_attempt integer,
    error_code varchar(50),
    created_at timestamptz NOT NULL DEFAULT now()
);

COMMENT ON TABLE execution_logs IS 'The execution log: every action on an order, append-only';
COMMENT ON COLUMN execution_logs.id IS 'Unique log entry identifier';
COMMENT ON COLUMN execution_logs.order_id IS 'Reference to order';
COMMENT ON COLUMN execution_logs.trader_id IS 'Reference to trader';
COMMENT ON COLUMN execution_logs.action IS 'What happened';
COMMENT ON COLUMN execution_logs.status IS 'The order''s status after the action';
COMMENT ON COLUMN execution_logs.timestamp IS 'Moment of the event';
COMMENT ON COLUMN execution_logs.reason IS 'Why, in words';
COMMENT ON COLUMN execution_logs.retry_attempt IS 'Number of the retry; 0 = first try';
COMMENT ON COLUMN execution_logs.error_code IS 'The venue''s code';
COMMENT ON COLUMN execution_logs.created_at IS 'Recorded';

CREATE INDEX idx_orders_trader_created ON orders (trader_id, created_at DESC);
CREATE INDEX idx_orders_status ON orders (status);
CREATE INDEX idx_orders_trader_status ON orders (trader_id, status);
CREATE INDEX idx_fills_order ON fills (order_id);
CREATE INDEX idx_fills_timestamp ON fills (timestamp DESC);
CREATE INDEX idx_execution_logs_trader_timestamp ON execution_logs (trader_id, timestamp DESC);
CREATE INDEX idx_execution_logs_order ON execution_logs (order_id);
CREATE INDEX idx_execution_logs_action ON execution_logs (action);

-- Without FORCE, the policies do not apply to the owner of the table.
ALTER TABLE orders ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE fills ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE execution_logs ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

CREATE POLICY orders_trader_isolation ON orders
    USING (trader_id = (SELECT NULLIF(current_setting('app.user_id', true), '')::uuid));

CREATE POLICY fills_trader_isolation ON fills
    USING (EXISTS (
        SELECT FROM orders
        WHERE orders.id = fills.order_id
            AND orders.trader_id = (SELECT NULLIF(current_setting('app.user_id', true), '')::uuid)
    ));

-- Foreign-key checks bypass row-level security, so only the CHECK below keeps a trader from logging an
-- action on another trader's order.
CREATE POLICY execution_logs_trader_isolation ON execution_logs
    USING (trader_id = (SELECT NULLIF(current_setting('app.user_id', true), '')::uuid))
    WITH CHECK (
        trader_id = (SELECT NULLIF(current_setting('app.user_id', true), '')::uuid)
        AND EXISTS (
            SELECT FROM orders
            WHERE orders.id = execution_logs.order_id
                AND orders.trader_id = execution_logs.trader_id
        )
    );

-- RESTRICTIVE: PostgreSQL ORs permissive policies, so a permissive `false` would forbid nothing.
CREATE POLICY execution_logs_immutable ON execution_logs AS RESTRICTIVE
    FOR UPDATE USING (false);
CREATE POLICY execution_logs_immutable_delete ON execution_logs AS RESTRICTIVE
    FOR DELETE USING (false);
