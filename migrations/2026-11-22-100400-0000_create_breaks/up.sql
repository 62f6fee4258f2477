-- Promises that a report that cannot be applied is not lost: it is kept as a break, with the venue's message
-- and the reason for the refusal, until somebody resolves it. The resolution is kept too. Such a report is an
-- execution, another action on an order (an acknowledgement, a cancel, a reject, a replacement), an order that
-- cannot be stored, or totals of an order that differ from the store's. Both tables are append-only.
--
-- Here the rules are CHECKs: breaks are few, and their rows are never updated.

CREATE TYPE break_reason_enum AS ENUM (
    'UNKNOWN_ORDER', 'UNKNOWN_FILL', 'OVER_FILL', 'ORDER_ENDED', 'PRECISION', 'MISMATCH', 'INVALID',
    'TOTALS', 'INVALID_ORDER', 'UNAPPLIED_ACTION'
);
COMMENT ON TYPE break_reason_enum IS
    'Why a break was recorded; TOTALS: the venue reports other totals of an order than the store has; INVALID_ORDER: the order cannot be stored; UNAPPLIED_ACTION: a report other than an execution could not be applied';

-- No foreign key on order_id: the order may not exist, which is then the reason for the break.
CREATE TABLE breaks (
    id uuid CONSTRAINT breaks_pkey PRIMARY KEY DEFAULT gen_random_uuid(),
    reason break_reason_enum NOT NULL,
    detail text NOT NULL,
    order_id uuid,
    trader_id uuid CONSTRAINT fk_breaks_trader_id REFERENCES traders (id),
    client_order_id varchar(64),
    venue varchar(50) NOT NULL,
    source varchar(50) NOT NULL,
    execution_id varchar(64),
    refers_to varchar(64),
    is_bust boolean NOT NULL DEFAULT false,
    timestamp timestamptz NOT NULL,
    quantity numeric NOT NULL,
    price numeric NOT NULL,
    commission numeric NOT NULL DEFAULT 0,
    rebate numeric NOT NULL DEFAULT 0,
    raw text,
    created_at timestamptz NOT NULL DEFAULT now(),
    acted_by text NOT NULL DEFAULT session_user,
    acted_as text NOT NULL DEFAULT coalesce(
        nullif(current_setting('role'), 'none'), session_user
    ),
    CONSTRAINT ck_breaks_detail_short CHECK (char_length(detail) <= 1000),
    CONSTRAINT ck_breaks_venue_not_blank CHECK (venue ~ '[^[:space:]]'),
    CONSTRAINT ck_breaks_client_order_id_not_blank CHECK (client_order_id ~ '[^[:space:]]'),
    CONSTRAINT ck_breaks_source_not_blank CHECK (source ~ '[^[:space:]]'),
    CONSTRAINT ck_breaks_execution_id_not_blank CHECK (execution_id ~ '[^[:space:]]'),
    CONSTRAINT ck_breaks_refers_to_not_blank CHECK (refers_to ~ '[^[:space:]]'),
    CONSTRAINT ck_breaks_bust_refers CHECK (refers_to IS NOT NULL OR NOT is_bust),
    CONSTRAINT ck_breaks_timestamp_readable
        CHECK (timestamp BETWEEN '0001-01-01 00:00:00+00' AND '9999-12-31 23:59:59.999999+00'),
    -- Without these, a numeric may have 131,072 digits; and NaN is greater than any number.
    CONSTRAINT ck_breaks_quantity_readable CHECK (abs(quantity) < 1e20 AND scale(quantity) <= 20),
    CONSTRAINT ck_breaks_price_readable CHECK (abs(price) < 1e20 AND scale(price) <= 20),
    CONSTRAINT ck_breaks_commission_readable
        CHECK (abs(commission) < 1e20 AND scale(commission) <= 20),
    CONSTRAINT ck_breaks_rebate_readable CHECK (abs(rebate) < 1e20 AND scale(rebate) <= 20),
    CONSTRAINT ck_breaks_order_not_stored
        CHECK (reason <> 'INVALID_ORDER' OR order_id IS NULL AND execution_id IS NULL AND refers_to IS NULL),
    CONSTRAINT ck_breaks_action_amends_nothing
        CHECK (reason <> 'UNAPPLIED_ACTION' OR refers_to IS NULL),
    CONSTRAINT ck_breaks_no_control_characters CHECK (
        venue || source || coalesce(client_order_id, '') || coalesce(execution_id, '')
            || coalesce(refers_to, '') !~ '[\u0001-\u001F\u007F-\u009F]'
    ),
    sequence bigint NOT NULL CONSTRAINT uq_breaks_sequence UNIQUE,
    CONSTRAINT ck_breaks_raw_short CHECK (char_length(raw) <= 65536),
    CONSTRAINT ck_breaks_sequence_bounded CHECK (sequence BETWEEN 1 AND 9007199254740991)
);

COMMENT ON TABLE breaks IS
    'Executions and other reports that could not be applied, orders that could not be stored, and reported totals that differ from the store''s';
COMMENT ON COLUMN breaks.id IS 'Unique break identifier';
COMMENT ON COLUMN breaks.reason IS 'Kind of rule that refused the report';
COMMENT ON COLUMN breaks.detail IS 'What refused the report, in words';
COMMENT ON COLUMN breaks.order_id IS 'The order that the report names, if any; it may not exist';
COMMENT ON COLUMN breaks.trader_id IS
    'Trader of the order: set by the database if the order exists, else as the report names it';
COMMENT ON COLUMN breaks.client_order_id IS 'The client''s id of the order that the report names (FIX tag 11, ClOrdID)';
COMMENT ON COLUMN breaks.venue IS 'Venue of the execution (FIX tag 30, LastMkt)';
COMMENT ON COLUMN breaks.source IS 'Who assigned the execution id; by default the venue';
COMMENT ON COLUMN breaks.execution_id IS 'The venue''s id of the execution report (FIX tag 17, ExecID)';
COMMENT ON COLUMN breaks.refers_to IS
    'For a bust or a correction: execution id of the fill that it amends (FIX tag 19, ExecRefID)';
COMMENT ON COLUMN breaks.is_bust IS 'True for a bust (FIX 150=H); a row with refers_to that is no bust is a correction';
COMMENT ON COLUMN breaks.timestamp IS 'When it occurred, by the venue''s clock (FIX tag 60, TransactTime)';
COMMENT ON COLUMN breaks.quantity IS 'Shares, as reported; for totals, the cumulative filled quantity';
COMMENT ON COLUMN breaks.price IS 'Price per share, as reported; for totals, the average price; 0 if there is none';
COMMENT ON COLUMN breaks.commission IS 'Commission, as reported';
COMMENT ON COLUMN breaks.rebate IS 'Rebate, as reported';
COMMENT ON COLUMN breaks.raw IS 'The message as received';
COMMENT ON COLUMN breaks.created_at IS 'Recorded';
COMMENT ON COLUMN breaks.acted_by IS 'Login that recorded it';
COMMENT ON COLUMN breaks.acted_as IS 'Database role it acted as';
COMMENT ON COLUMN breaks.sequence IS 'Number in the sequence of the log, by which the row is sealed';

-- No foreign key on fill_id: only the database writes it, and it inserts this row before the fill.
CREATE TABLE break_resolutions (
    id uuid CONSTRAINT break_resolutions_pkey PRIMARY KEY DEFAULT gen_random_uuid(),
    break_id uuid NOT NULL
        CONSTRAINT uq_break_resolutions_break_id UNIQUE
        CONSTRAINT fk_break_resolutions_break_id REFERENCES breaks (id),
    is_booked boolean NOT NULL,
    order_id uuid CONSTRAINT fk_break_resolutions_order_id REFERENCES orders (id),
    trader_id uuid CONSTRAINT fk_break_resolutions_trader_id REFERENCES traders (id),
    fill_id uuid,
    reason text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    acted_by text NOT NULL DEFAULT session_user,
    acted_as text NOT NULL DEFAULT coalesce(
        nullif(current_setting('role'), 'none'), session_user
    ),
    sequence bigint NOT NULL CONSTRAINT uq_break_resolutions_sequence UNIQUE,
    -- Shorter than the log's limit: the log entry puts a prefix before it.
    CONSTRAINT ck_break_resolutions_reason_short CHECK (char_length(reason) <= 900),
    CONSTRAINT ck_break_resolutions_reason_not_blank CHECK (reason ~ '[^[:space:]]'),
    CONSTRAINT ck_break_resolutions_sequence_bounded CHECK (sequence BETWEEN 1 AND 9007199254740991)
);

COMMENT ON TABLE break_resolutions IS 'Resolutions of breaks: booked as a fill, or dismissed';
COMMENT ON COLUMN break_resolutions.id IS 'Unique resolution identifier';
COMMENT ON COLUMN break_resolutions.break_id IS 'The break; each is resolved at most once';
COMMENT ON COLUMN break_resolutions.is_booked IS 'True: booked as a fill of the order; false: dismissed';
COMMENT ON COLUMN break_resolutions.order_id IS
    'The order that the fill was booked to, by default the one that the break names';
COMMENT ON COLUMN break_resolutions.trader_id IS 'Trader of the order, set by the database';
COMMENT ON COLUMN break_resolutions.fill_id IS 'The fill that was booked, written by the database';
COMMENT ON COLUMN break_resolutions.reason IS 'Why, in words';
COMMENT ON COLUMN break_resolutions.created_at IS 'Recorded';
COMMENT ON COLUMN break_resolutions.acted_by IS 'Login that resolved it';
COMMENT ON COLUMN break_resolutions.acted_as IS 'Database role it acted as';
COMMENT ON COLUMN break_resolutions.sequence IS 'Number in the sequence of the log, by which the row is sealed';

-- An execution that is reported again is the same break. Without an execution id that cannot be decided. Totals
-- and actions with the same content as an execution are breaks of their own. Trader and client order id stand for
-- an order that is unknown: two traders' executions may agree in everything else.
CREATE UNIQUE INDEX uq_breaks_execution ON breaks (
    execution_id, source, coalesce(order_id, '00000000-0000-0000-0000-000000000000'::uuid),
    coalesce(refers_to, ''), is_bust, timestamp, quantity, price, commission, rebate, (reason = 'TOTALS'),
    (reason = 'UNAPPLIED_ACTION'),
    coalesce(
        CASE WHEN order_id IS NULL THEN trader_id END, '00000000-0000-0000-0000-000000000000'::uuid
    ),
    coalesce(CASE WHEN order_id IS NULL THEN client_order_id END, '')
) WHERE execution_id IS NOT NULL;
-- So is an order that is reported again.
CREATE UNIQUE INDEX uq_breaks_order ON breaks (
    coalesce(trader_id, '00000000-0000-0000-0000-000000000000'::uuid), client_order_id, venue, timestamp,
    quantity, price
) WHERE reason = 'INVALID_ORDER' AND client_order_id IS NOT NULL;
CREATE INDEX idx_breaks_client_order ON breaks (client_order_id) WHERE client_order_id IS NOT NULL;
CREATE INDEX idx_breaks_created ON breaks (created_at DESC, id DESC);
CREATE INDEX idx_breaks_trader_created ON breaks (trader_id, created_at DESC, id DESC);
CREATE INDEX idx_breaks_order ON breaks (order_id);
CREATE INDEX idx_break_resolutions_order ON break_resolutions (order_id);
CREATE INDEX idx_break_resolutions_trader ON break_resolutions (trader_id);

ALTER TABLE fills ADD COLUMN break_id uuid CONSTRAINT fk_fills_break_id REFERENCES breaks (id);
COMMENT ON COLUMN fills.break_id IS 'The break that this fill was booked from';
CREATE UNIQUE INDEX uq_fills_break_id ON fills (break_id) WHERE break_id IS NOT NULL;
ALTER TABLE execution_logs ADD COLUMN break_id uuid;
COMMENT ON COLUMN execution_logs.break_id IS 'The break that was recorded, booked or dismissed';
