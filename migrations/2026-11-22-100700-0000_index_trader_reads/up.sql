-- Promises that what a trader reads most is read by an index under row security too.
--
-- The comparison of enums is not leakproof, so PostgreSQL applies it only to rows that row security
-- has let through: of idx_orders_trader_status it uses the trader alone. The condition of a partial
-- index holds for all of its rows and needs no comparison.

CREATE INDEX idx_orders_trader_open ON orders (trader_id, created_at DESC)
    WHERE status IN ('PENDING', 'PARTIAL');
CREATE INDEX idx_fills_trader_timestamp ON fills (trader_id, timestamp DESC);
