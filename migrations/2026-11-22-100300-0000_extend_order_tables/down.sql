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
    DROP COLUMN report_id,
    DROP COLUMN reported_at,
    DROP COLUMN acted_as,
    DROP COLUMN acted_by,
    DROP COLUMN venue_order_id,
    DROP COLUMN fill_id,
    DROP COLUMN sequence;
ALTER TABLE fills
    DROP COLUMN rebate,
    DROP COLUMN source,
    DROP COLUMN root_id,
    DROP COLUMN is_bust,
    DROP COLUMN amends,
    DROP COLUMN execution_id,
    DROP COLUMN trader_id;
ALTER TABLE orders
    DROP COLUMN instructions,
    DROP COLUMN received_at,
    DROP COLUMN currency,
    DROP COLUMN limit_price,
    DROP COLUMN time_in_force,
    DROP COLUMN account,
    DROP COLUMN trading_day,
    DROP COLUMN break_count,
    DROP COLUMN root_id,
    DROP COLUMN replaces,
    DROP COLUMN venue_order_id,
    DROP COLUMN client_order_id,
    DROP COLUMN side,
    DROP COLUMN filled_notional;

DROP TYPE time_in_force_enum;
DROP TYPE side_enum;
