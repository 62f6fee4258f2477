-- Drops what up.sql created. The contents of the new columns are lost, and with them the busts and the fills
-- that were amended; the remaining fills add up to the totals of their orders.

-- Prevents a change of an order's terms or of its trader after submission.
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
