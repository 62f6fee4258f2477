-- Drops the constraints that up.sql added.

DO $$
BEGIN
    IF obj_description(to_regclass(format('%I.traders', current_schema())), 'pg_class')
        = 'Traders, the owners of orders (table created by tradeblotter)'
    THEN
        ALTER TABLE traders DROP CONSTRAINT ck_traders_created_at_readable;
    END IF;
END
$$;

ALTER TABLE execution_logs
    DROP CONSTRAINT ck_execution_logs_retry_attempt_nonnegative,
    DROP CONSTRAINT ck_execution_logs_reason_short;

ALTER TABLE fills
    DROP CONSTRAINT ck_fills_timestamp_readable,
    DROP CONSTRAINT ck_fills_venue_not_blank;

ALTER TABLE orders
    DROP CONSTRAINT ck_orders_expires_at_readable,
    DROP CONSTRAINT ck_orders_symbol_not_blank;
