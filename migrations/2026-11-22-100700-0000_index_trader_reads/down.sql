-- Promises that the indexes of up.sql are gone.

DROP INDEX idx_fills_trader_timestamp;
DROP INDEX idx_orders_trader_open;
