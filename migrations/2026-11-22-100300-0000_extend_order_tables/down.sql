-- Drops what up.sql created. The contents of the columns are lost.

CALL blotter_permit_revert();

DROP FUNCTION blotter_symbol_length();
DROP FUNCTION blotter_scale();

DROP INDEX idx_execution_logs_order_trader;
DROP INDEX idx_fills_trader_timestamp;
DROP INDEX idx_orders_trader_open;

DO $$
BEGIN
    IF obj_description(to_regclass(format('%I.traders', current_schema())), 'pg_class')
        = 'Traders, the owners of orders (table created by tradeblotter)'
    THEN
        ALTER TABLE traders DROP CONSTRAINT ck_traders_created_at_readable, DROP COLUMN sequence;
    END IF;
END
$$;

-- With the columns go their constraints, their indexes and the sequence.
ALTER TABLE execution_logs DROP COLUMN report_id;
ALTER TABLE execution_logs DROP COLUMN reported_at;
ALTER TABLE execution_logs DROP COLUMN acted_as;
ALTER TABLE execution_logs DROP COLUMN acted_by;
ALTER TABLE execution_logs DROP COLUMN venue_order_id;
ALTER TABLE execution_logs DROP COLUMN fill_id;
ALTER TABLE execution_logs DROP COLUMN sequence;
ALTER TABLE fills DROP COLUMN rebate;
ALTER TABLE fills DROP COLUMN source;
ALTER TABLE fills DROP COLUMN root_id;
ALTER TABLE fills DROP COLUMN is_bust;
ALTER TABLE fills DROP COLUMN amends;
ALTER TABLE fills DROP COLUMN execution_id;
ALTER TABLE fills DROP COLUMN trader_id;
ALTER TABLE orders DROP COLUMN instructions;
ALTER TABLE orders DROP COLUMN received_at;
ALTER TABLE orders DROP COLUMN currency;
ALTER TABLE orders DROP COLUMN limit_price;
ALTER TABLE orders DROP COLUMN time_in_force;
ALTER TABLE orders DROP COLUMN account;
ALTER TABLE orders DROP COLUMN trading_day;
ALTER TABLE orders DROP COLUMN break_count;
ALTER TABLE orders DROP COLUMN root_id;
ALTER TABLE orders DROP COLUMN replaces;
ALTER TABLE orders DROP COLUMN venue_order_id;
ALTER TABLE orders DROP COLUMN client_order_id;
ALTER TABLE orders DROP COLUMN side;
ALTER TABLE orders DROP COLUMN filled_notional;

DROP TYPE time_in_force_enum;
DROP TYPE side_enum;
