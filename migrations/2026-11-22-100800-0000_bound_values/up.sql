-- Promises that every stored row can be read by the library, and that no text that must say something is
-- blank. Rows are never removed, so one unreadable row would break every page that contains it.
--
-- The latest timestamp is the latest that chrono can hold; PostgreSQL allows the year 294276 and infinity.

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
    -- A host application's own `traders` table is left as it is.
    IF obj_description(to_regclass(format('%I.traders', current_schema())), 'pg_class')
        = 'Traders, the owners of orders (table created by tradeblotter)'
    THEN
        ALTER TABLE traders ADD CONSTRAINT ck_traders_created_at_readable
            CHECK (created_at > '-infinity' AND created_at < '262143-01-01 00:00:00+00');
    END IF;
END
$$;
