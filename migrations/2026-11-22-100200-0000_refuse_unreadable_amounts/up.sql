-- Promises that every stored amount is a valid price or commission: prices are positive, and no amount is
-- NaN, which PostgreSQL treats as greater than 0.

ALTER TABLE orders
    ADD CONSTRAINT ck_orders_price_not_nan CHECK (price <> 'NaN'),
    ADD CONSTRAINT ck_orders_stop_loss_positive CHECK (stop_loss > 0 AND stop_loss <> 'NaN'),
    ADD CONSTRAINT ck_orders_take_profit_positive CHECK (take_profit > 0 AND take_profit <> 'NaN'),
    ADD CONSTRAINT ck_orders_average_fill_price_positive
        CHECK (average_fill_price > 0 AND average_fill_price <> 'NaN');

ALTER TABLE fills
    ADD CONSTRAINT ck_fills_price_not_nan CHECK (price_at_fill <> 'NaN'),
    ADD CONSTRAINT ck_fills_commission_not_nan CHECK (commission <> 'NaN');
