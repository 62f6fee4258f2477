BEGIN;
INSERT INTO orders (trader_id, symbol, quantity, order_type, price)
    VALUES (('00000000-0000-0000-0000-' || lpad(to_hex(:client_id + 1), 12, '0'))::uuid, 'AAPL', 100, 'LIMIT', 150.25)
    RETURNING id AS order_id, trader_id \gset
INSERT INTO execution_logs (order_id, trader_id, action, status)
    VALUES (:order_id, :trader_id, 'SUBMITTED', 'PENDING');
COMMIT;

BEGIN;
UPDATE orders SET updated_at = now()
    WHERE id = :order_id AND status IN ('PENDING', 'PARTIAL')
    RETURNING status \gset
INSERT INTO execution_logs (order_id, trader_id, action, status)
    VALUES (:order_id, :trader_id, 'EXECUTED', :status);
COMMIT;

BEGIN;
UPDATE orders SET
    filled_quantity = filled_quantity + 40,
    average_fill_price = (coalesce(average_fill_price * filled_quantity, 0) + 40 * 150.20)
        / (filled_quantity + 40),
    status = CASE WHEN filled_quantity + 40 = quantity THEN 'FILLED' ELSE 'PARTIAL' END::order_status_enum,
    updated_at = now()
    WHERE id = :order_id AND status IN ('PENDING', 'PARTIAL') AND filled_quantity + 40 <= quantity
    RETURNING status \gset
INSERT INTO fills (order_id, quantity_filled, price_at_fill, venue, commission)
    VALUES (:order_id, 40, 150.20, 'XNAS', 0.40);
INSERT INTO execution_logs (order_id, trader_id, action, status)
    VALUES (:order_id, :trader_id, 'FILLED', :status);
COMMIT;

BEGIN;
UPDATE orders SET
    filled_quantity = filled_quantity + 60,
    average_fill_price = (coalesce(average_fill_price * filled_quantity, 0) + 60 * 150.25)
        / (filled_quantity + 60),
    status = CASE WHEN filled_quantity + 60 = quantity THEN 'FILLED' ELSE 'PARTIAL' END::order_status_enum,
    updated_at = now()
    WHERE id = :order_id AND status IN ('PENDING', 'PARTIAL') AND filled_quantity + 60 <= quantity
    RETURNING status \gset
INSERT INTO fills (order_id, quantity_filled, price_at_fill, venue, commission)
    VALUES (:order_id, 60, 150.25, 'XNAS', 0.60);
INSERT INTO execution_logs (order_id, trader_id, action, status)
    VALUES (:order_id, :trader_id, 'FILLED', :status);
COMMIT;
