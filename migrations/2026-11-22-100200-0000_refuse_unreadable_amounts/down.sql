-- Drops the constraints that up.sql added.

ALTER TABLE fills
    DROP CONSTRAINT ck_fills_commission_not_nan,
    DROP CONSTRAINT ck_fills_price_not_nan;

ALTER TABLE orders
    DROP CONSTRAINT ck_orders_average_fill_price_positive,
    DROP CONSTRAINT ck_orders_take_profit_positive,
    DROP CONSTRAINT ck_orders_stop_loss_positive,
    DROP CONSTRAINT ck_orders_price_not_nan;
