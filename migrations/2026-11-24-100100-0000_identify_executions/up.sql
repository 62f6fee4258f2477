-- Promises that what the outside world calls an order, an execution or a correction is kept with it,
-- once: the same id can't be stored twice, so a message that comes again is known again. And that each
-- entry of the log says which fill it is about, in which place of the whole log it stands, and who
-- acted.
--
-- All of it is null or has a default: an INSERT that names only base columns works as before.

CREATE TYPE side_enum AS ENUM ('BUY', 'SELL');
COMMENT ON TYPE side_enum IS 'Which way an order trades (FIX tag 54, Side)';

ALTER TABLE orders
    ADD COLUMN side side_enum,
    ADD COLUMN client_order_id varchar(64),
    ADD COLUMN venue_order_id varchar(64),
    ADD COLUMN replaces uuid CONSTRAINT fk_orders_replaces REFERENCES orders (id),
    ADD CONSTRAINT ck_orders_client_order_id_not_blank CHECK (client_order_id ~ '[^[:space:]]'),
    ADD CONSTRAINT ck_orders_venue_order_id_not_blank CHECK (venue_order_id ~ '[^[:space:]]');

COMMENT ON COLUMN orders.side IS 'BUY / SELL; null where a base-schema client left it out';
COMMENT ON COLUMN orders.client_order_id IS
    'The client''s own id of the order, unique for a trader (FIX tag 11, ClOrdID)';
COMMENT ON COLUMN orders.venue_order_id IS
    'The venue''s id of the order, from the log (FIX tag 37, OrderID)';
COMMENT ON COLUMN orders.replaces IS
    'The order that this one replaces, which ends with it (FIX tag 41, OrigClOrdID)';

ALTER TABLE fills
    ADD COLUMN execution_id varchar(64),
    ADD COLUMN amends uuid CONSTRAINT fk_fills_amends REFERENCES fills (id),
    ADD COLUMN is_bust boolean NOT NULL DEFAULT false,
    ADD CONSTRAINT ck_fills_execution_id_not_blank CHECK (execution_id ~ '[^[:space:]]'),
    ADD CONSTRAINT ck_fills_bust_amends CHECK (amends IS NOT NULL OR NOT is_bust);

COMMENT ON COLUMN fills.execution_id IS
    'The venue''s id of the execution, unique for an order and venue (FIX tag 17, ExecID)';
COMMENT ON COLUMN fills.amends IS
    'The fill that this row corrects or busts; it counts in its place (FIX tag 19, ExecRefID)';
COMMENT ON COLUMN fills.is_bust IS
    'The amended fill is taken back whole, and this row does not count either (FIX 150=H)';

-- No foreign key on fill_id: the database alone writes it, of a row that it has in hand, and the key
-- would lock and so rewrite every fill that has just been stored.
ALTER TABLE execution_logs
    ADD COLUMN sequence bigint,
    ADD COLUMN fill_id uuid,
    ADD COLUMN venue_order_id varchar(64),
    ADD COLUMN acted_by text,
    ADD COLUMN acted_as text,
    ADD CONSTRAINT ck_execution_logs_venue_order_id_not_blank
        CHECK (venue_order_id ~ '[^[:space:]]');

-- Not what is stored already: who wrote that is not known.
ALTER TABLE execution_logs
    ALTER COLUMN acted_by SET DEFAULT session_user,
    ALTER COLUMN acted_as SET DEFAULT coalesce(
        nullif(current_setting('role'), 'none'), session_user
    );

COMMENT ON COLUMN execution_logs.sequence IS
    'Place in the whole log; the entries of an order are numbered as they happened';
COMMENT ON COLUMN execution_logs.fill_id IS 'The fill, bust or correction that was booked';
COMMENT ON COLUMN execution_logs.venue_order_id IS
    'The venue''s id of the order, when the action tells it';
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

-- An order with other terms than those that were submitted, or another trader's.
CREATE OR REPLACE TRIGGER orders_keep_terms BEFORE UPDATE OF
    id, trader_id, symbol, quantity, order_type, price, stop_loss, take_profit, created_at, expires_at,
    side, client_order_id, replaces
    ON orders FOR EACH ROW EXECUTE FUNCTION blotter_refuse_change();
ALTER TABLE orders ENABLE ALWAYS TRIGGER orders_keep_terms;
