-- Promises that nothing of up.sql is left. What the new columns said is lost, and with it the busts, and
-- the fills that were amended: those that are left add up to what their orders say.

-- An order with other terms than those that were submitted, or another trader's.
CREATE OR REPLACE TRIGGER orders_keep_terms BEFORE UPDATE OF
    id, trader_id, symbol, quantity, order_type, price, stop_loss, take_profit, created_at, expires_at
    ON orders FOR EACH ROW EXECUTE FUNCTION blotter_refuse_change();
ALTER TABLE orders ENABLE ALWAYS TRIGGER orders_keep_terms;

ALTER TABLE execution_logs
    DROP COLUMN acted_as,
    DROP COLUMN acted_by,
    DROP COLUMN venue_order_id,
    DROP COLUMN fill_id,
    DROP COLUMN sequence;
ALTER TABLE fills
    DROP CONSTRAINT fk_fills_amends,
    NO FORCE ROW LEVEL SECURITY,
    DISABLE TRIGGER fills_keep_row;
DELETE FROM fills WHERE is_bust OR id IN (SELECT amends FROM fills);
ALTER TABLE fills
    FORCE ROW LEVEL SECURITY,
    ENABLE ALWAYS TRIGGER fills_keep_row;
ALTER TABLE fills
    DROP COLUMN is_bust,
    DROP COLUMN amends,
    DROP COLUMN execution_id;
ALTER TABLE orders
    DROP COLUMN replaces,
    DROP COLUMN venue_order_id,
    DROP COLUMN client_order_id,
    DROP COLUMN side;
DROP TYPE side_enum;
