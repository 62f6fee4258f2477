-- Drops the indexes that up.sql created.

DROP INDEX idx_fills_trader_timestamp;
DROP INDEX idx_orders_trader_open;
