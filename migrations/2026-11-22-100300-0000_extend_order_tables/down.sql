-- Drops what up.sql created. The contents of the columns are lost.

CALL blotter_permit_revert();

DROP INDEX idx_fills_trader_timestamp;
DROP INDEX idx_orders_trader_open;

DO $$
BEGIN
    IF obj_description(to_regclass(format('%I.traders', current_schema())), 'pg_class')
        = 'Traders, the owners of orders (table created by tradeblotter)'
    THEN
        ALTER TABLE traders DROP CONSTRAINT ck_traders_created_at_readable;
    END IF;
END
$$;

-- With the columns go their constraints, their indexes and the sequence.
ALTER TABLE execution_logs
    DROP CONSTRAINT ck_execution_logs_retry_attempt_nonnegative,
    DROP CONSTRAINT ck_execution_logs_reason_short,
    DROP COLUMN reported_at,
    DROP COLUMN acted_as,
    DROP COLUMN acted_by,
    DROP COLUMN venue_order_id,
    DROP COLUMN fill_id,
    DROP COLUMN sequence;
ALTER TABLE fills
    DROP CONSTRAINT ck_fills_timestamp_readable,
    DROP CONSTRAINT ck_fills_money_in_range,
    DROP CONSTRAINT ck_fills_commission_not_nan,
    DROP CONSTRAINT ck_fills_price_not_nan,
    DROP CONSTRAINT ck_fills_venue_not_blank,
    DROP COLUMN is_bust,
    DROP COLUMN amends,
    DROP COLUMN execution_id,
    DROP COLUMN trader_id;
ALTER TABLE orders
    DROP CONSTRAINT ck_orders_expires_at_readable,
    DROP CONSTRAINT ck_orders_money_in_range,
    DROP CONSTRAINT ck_orders_average_fill_price_positive,
    DROP CONSTRAINT ck_orders_take_profit_positive,
    DROP CONSTRAINT ck_orders_stop_loss_positive,
    DROP CONSTRAINT ck_orders_price_not_nan,
    DROP CONSTRAINT ck_orders_symbol_not_blank,
    DROP COLUMN replaces,
    DROP COLUMN venue_order_id,
    DROP COLUMN client_order_id,
    DROP COLUMN side,
    DROP COLUMN filled_notional;

DROP TYPE side_enum;
