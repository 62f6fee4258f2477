-- Promises that a trader's most frequent reads use an index under row-level security too.
--
-- Comparison of enums is not leakproof, so PostgreSQL evaluates it only on rows that the policies have let
-- through: of idx_orders_trader_status it can use the trader alone. A partial index needs no comparison:
-- its condition holds for each of its rows.

CREATE INDEX idx_orders_trader_open ON orders (trader_id, created_at DESC)
    WHERE status IN ('PENDING', 'PARTIAL');
CREATE INDEX idx_fills_trader_timestamp ON fills (trader_id, timestamp DESC);
