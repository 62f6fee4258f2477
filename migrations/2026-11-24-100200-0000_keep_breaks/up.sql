-- Promises that an execution which can't be applied is not lost: it is kept as a break, with what the
-- venue said and why it was refused, until somebody resolves it; and what was said about it then is kept
-- too. So are totals of an order that the venue reports and that differ from the store's. Both tables take
-- new rows and nothing else, as the other records do.

CREATE TYPE break_reason_enum AS ENUM (
    'UNKNOWN_ORDER', 'UNKNOWN_FILL', 'OVER_FILL', 'ORDER_ENDED', 'PRECISION', 'MISMATCH', 'INVALID',
    'TOTALS'
);
COMMENT ON TYPE break_reason_enum IS
    'Why an execution can''t be applied; TOTALS: an order stands otherwise by the venue''s account';

-- No foreign key on order_id: the order may be one that is not there, which is the reason of the break.
CREATE TABLE breaks (
    id uuid CONSTRAINT breaks_pkey PRIMARY KEY DEFAULT gen_random_uuid(),
    reason break_reason_enum NOT NULL,
    detail text NOT NULL,
    order_id uuid,
    trader_id uuid CONSTRAINT fk_breaks_trader_id REFERENCES traders (id),
    venue varchar(50) NOT NULL,
    execution_id varchar(64),
    refers_to varchar(64),
    is_bust boolean NOT NULL DEFAULT false,
    timestamp timestamptz NOT NULL,
    quantity numeric NOT NULL,
    price numeric NOT NULL,
    commission numeric NOT NULL DEFAULT 0,
    raw text,
    created_at timestamptz NOT NULL DEFAULT now(),
    acted_by text NOT NULL DEFAULT session_user,
    acted_as text NOT NULL DEFAULT coalesce(
        nullif(current_setting('role'), 'none'), session_user
    ),
    CONSTRAINT ck_breaks_detail_short CHECK (char_length(detail) <= 1000),
    CONSTRAINT ck_breaks_venue_not_blank CHECK (venue ~ '[^[:space:]]'),
    CONSTRAINT ck_breaks_execution_id_not_blank CHECK (execution_id ~ '[^[:space:]]'),
    CONSTRAINT ck_breaks_refers_to_not_blank CHECK (refers_to ~ '[^[:space:]]'),
    CONSTRAINT ck_breaks_bust_refers CHECK (refers_to IS NOT NULL OR NOT is_bust),
    CONSTRAINT ck_breaks_timestamp_readable
        CHECK (timestamp > '-infinity' AND timestamp < '262143-01-01 00:00:00+00'),
    -- A numeric may have 131072 digits; NaN is more than any number.
    CONSTRAINT ck_breaks_quantity_readable CHECK (abs(quantity) < 1e20 AND scale(quantity) <= 20),
    CONSTRAINT ck_breaks_price_readable CHECK (abs(price) < 1e20 AND scale(price) <= 20),
    CONSTRAINT ck_breaks_commission_readable
        CHECK (abs(commission) < 1e20 AND scale(commission) <= 20),
    CONSTRAINT ck_breaks_raw_short CHECK (char_length(raw) <= 65536)
);

COMMENT ON TABLE breaks IS
    'Executions that could not be applied, and totals that differ, as they were reported';
COMMENT ON COLUMN breaks.id IS 'Unique break identifier';
COMMENT ON COLUMN breaks.reason IS 'Which kind of rule refused it';
COMMENT ON COLUMN breaks.detail IS 'What refused it, in words';
COMMENT ON COLUMN breaks.order_id IS 'The order that was meant, if any; perhaps one that is not there';
COMMENT ON COLUMN breaks.trader_id IS 'Trader of the order if it is there, stamped by the database';
COMMENT ON COLUMN breaks.venue IS 'Where it was executed (FIX tag 30, LastMkt)';
COMMENT ON COLUMN breaks.execution_id IS 'The venue''s id of the execution (FIX tag 17, ExecID)';
COMMENT ON COLUMN breaks.refers_to IS
    'Of a bust or a correction: the execution id of the fill that it amends (FIX tag 19, ExecRefID)';
COMMENT ON COLUMN breaks.is_bust IS 'A bust (FIX 150=H); with refers_to and without this a correction';
COMMENT ON COLUMN breaks.timestamp IS 'When it occurred (FIX tag 60, TransactTime)';
COMMENT ON COLUMN breaks.quantity IS 'Shares, as reported; of totals, all that is filled';
COMMENT ON COLUMN breaks.price IS 'Price per share, as reported; of totals, their average';
COMMENT ON COLUMN breaks.commission IS 'Commission, as reported';
COMMENT ON COLUMN breaks.raw IS 'The message as it came';
COMMENT ON COLUMN breaks.created_at IS 'Recorded';
COMMENT ON COLUMN breaks.acted_by IS 'Login that recorded it';
COMMENT ON COLUMN breaks.acted_as IS 'Database role it acted as';

-- No foreign key on fill_id: the database alone writes it, and the row comes before its fill.
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
    -- The log gives it with a few words around it.
    CONSTRAINT ck_break_resolutions_reason_short CHECK (char_length(reason) <= 900),
    CONSTRAINT ck_break_resolutions_reason_not_blank CHECK (reason ~ '[^[:space:]]')
);

COMMENT ON TABLE break_resolutions IS 'What has become of a break: booked as a fill, or dismissed';
COMMENT ON COLUMN break_resolutions.id IS 'Unique resolution identifier';
COMMENT ON COLUMN break_resolutions.break_id IS 'The break, which is resolved once';
COMMENT ON COLUMN break_resolutions.is_booked IS 'Booked as a fill of the order, or else dismissed';
COMMENT ON COLUMN break_resolutions.order_id IS
    'The order it is booked to, by default the one that was meant';
COMMENT ON COLUMN break_resolutions.trader_id IS 'Trader of the order, stamped by the database';
COMMENT ON COLUMN break_resolutions.fill_id IS 'The fill that was booked, made by the database';
COMMENT ON COLUMN break_resolutions.reason IS 'Why, in words';
COMMENT ON COLUMN break_resolutions.created_at IS 'Recorded';
COMMENT ON COLUMN break_resolutions.acted_by IS 'Login that resolved it';
COMMENT ON COLUMN break_resolutions.acted_as IS 'Database role it acted as';

-- What a feed reports again is the same break. Without an execution id there is no telling.
CREATE UNIQUE INDEX uq_breaks_execution ON breaks (
    venue, execution_id, coalesce(order_id, '00000000-0000-0000-0000-000000000000'::uuid),
    coalesce(refers_to, ''), is_bust, timestamp, quantity, price, commission, (reason = 'TOTALS')
) WHERE execution_id IS NOT NULL;
CREATE INDEX idx_breaks_created ON breaks (created_at DESC);
CREATE INDEX idx_breaks_trader_created ON breaks (trader_id, created_at DESC);
CREATE INDEX idx_breaks_order ON breaks (order_id);
CREATE INDEX idx_break_resolutions_order ON break_resolutions (order_id);
CREATE INDEX idx_break_resolutions_trader ON break_resolutions (trader_id);

ALTER TABLE fills ADD COLUMN break_id uuid CONSTRAINT fk_fills_break_id REFERENCES breaks (id);
COMMENT ON COLUMN fills.break_id IS 'The break that was booked with this fill';
CREATE UNIQUE INDEX uq_fills_break_id ON fills (break_id) WHERE break_id IS NOT NULL;
ALTER TABLE execution_logs ADD COLUMN break_id uuid;
COMMENT ON COLUMN execution_logs.break_id IS 'The break that was kept, booked or dismissed';

ALTER TABLE breaks ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE break_resolutions ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

CREATE POLICY breaks_trader_isolation ON breaks FOR SELECT
    USING (trader_id = (SELECT blotter_trader_id()));
CREATE POLICY breaks_engine_reads ON breaks FOR SELECT TO blotter_engine USING (true);
CREATE POLICY breaks_engine_keeps ON breaks FOR INSERT TO blotter_engine WITH CHECK (true);
CREATE POLICY breaks_compliance_reads ON breaks FOR SELECT TO blotter_compliance USING (true);
CREATE POLICY breaks_ledger_reads ON breaks FOR SELECT TO blotter_ledger USING (true);

CREATE POLICY break_resolutions_trader_isolation ON break_resolutions FOR SELECT
    USING (trader_id = (SELECT blotter_trader_id()));
CREATE POLICY break_resolutions_engine_reads ON break_resolutions FOR SELECT TO blotter_engine
    USING (true);
CREATE POLICY break_resolutions_engine_resolves ON break_resolutions FOR INSERT TO blotter_engine
    WITH CHECK (true);
CREATE POLICY break_resolutions_compliance_reads ON break_resolutions FOR SELECT
    TO blotter_compliance USING (true);
CREATE POLICY break_resolutions_ledger_reads ON break_resolutions FOR SELECT TO blotter_ledger
    USING (true);

GRANT SELECT ON breaks, break_resolutions
    TO blotter_trader, blotter_engine, blotter_compliance, blotter_ledger;
GRANT INSERT ON breaks, break_resolutions TO blotter_engine;

-- An execution other than the one that was reported.
CREATE TRIGGER breaks_keep_values BEFORE UPDATE ON breaks
    FOR EACH ROW EXECUTE FUNCTION blotter_refuse_change();
-- An execution that was never reported.
CREATE TRIGGER breaks_keep_row BEFORE DELETE ON breaks
    FOR EACH ROW EXECUTE FUNCTION blotter_refuse_change();
-- A table emptied at one stroke, which row security has no part in.
CREATE TRIGGER breaks_keep_all BEFORE TRUNCATE ON breaks
    FOR EACH STATEMENT EXECUTE FUNCTION blotter_refuse_change();

-- Another reason, or another who gave it.
CREATE TRIGGER break_resolutions_keep_values BEFORE UPDATE ON break_resolutions
    FOR EACH ROW EXECUTE FUNCTION blotter_refuse_change();
-- A break that was never resolved.
CREATE TRIGGER break_resolutions_keep_row BEFORE DELETE ON break_resolutions
    FOR EACH ROW EXECUTE FUNCTION blotter_refuse_change();
-- A table emptied at one stroke, which row security has no part in.
CREATE TRIGGER break_resolutions_keep_all BEFORE TRUNCATE ON break_resolutions
    FOR EACH STATEMENT EXECUTE FUNCTION blotter_refuse_change();

ALTER TABLE breaks
    ENABLE ALWAYS TRIGGER breaks_keep_values,
    ENABLE ALWAYS TRIGGER breaks_keep_row,
    ENABLE ALWAYS TRIGGER breaks_keep_all;
ALTER TABLE break_resolutions
    ENABLE ALWAYS TRIGGER break_resolutions_keep_values,
    ENABLE ALWAYS TRIGGER break_resolutions_keep_row,
    ENABLE ALWAYS TRIGGER break_resolutions_keep_all;
