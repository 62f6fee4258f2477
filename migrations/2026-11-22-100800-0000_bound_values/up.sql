-- Promises that no row is stored that a listing could not be read for, or that says nothing where
-- something is meant: what is stored stays for ever, and one such row would spoil every page it is on.
--
-- The last moment is the last that chrono has; PostgreSQL goes on to 294276 and to infinity.

ALTER TABLE orders
    ADD CONSTRAINT ck_orders_symbol_not_blank CHECK (symbol ~ '[^[:space:]]'),
    ADD CONSTRAINT ck_orders_expires_at_readable
        CHECK (expires_at > '-infinity' AND expires_at < '262143-01-01 00:00:00+00');

ALTER TABLE fills
    ADD CONSTRAINT ck_fills_venue_not_blank CHECK (venue ~ '[^[:space:]]'),
    ADD CONSTRAINT ck_fills_timestamp_readable
        CHECK (timestamp > '-infinity' AND timestamp < '262143-01-01 00:00:00+00');

ALTER TABLE execution_logs
    ADD CONSTRAINT ck_execution_logs_reason_short CHECK (char_length(reason) <= 1000),
    ADD CONSTRAINT ck_execution_logs_retry_attempt_nonnegative CHECK (retry_attempt >= 0);

DO $$
BEGIN
    -- A host's own table of traders stays as it is.
    IF obj_description(to_regclass(format('%I.traders', current_schema())), 'pg_class')
        = 'Traders, the owners of orders (table created by tradeblotter)'
    THEN
        ALTER TABLE traders ADD CONSTRAINT ck_traders_created_at_readable
            CHECK (created_at > '-infinity' AND created_at < '262143-01-01 00:00:00+00');
    END IF;
END
$$;
