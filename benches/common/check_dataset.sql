-- Checks the invariants that the triggers maintain, which did not fire while the dataset was loaded.
DO $$
BEGIN
    IF EXISTS (
        SELECT FROM fills LEFT JOIN orders ON orders.id = order_id
        WHERE fills.trader_id IS DISTINCT FROM orders.trader_id
            OR fills.root_id IS DISTINCT FROM orders.root_id
            OR fills.source <> fills.venue
    ) OR EXISTS (
        SELECT FROM orders WHERE replaces IS NOT NULL OR root_id <> id
    ) OR EXISTS (
        SELECT FROM execution_logs LEFT JOIN orders ON orders.id = order_id
        WHERE execution_logs.trader_id IS DISTINCT FROM orders.trader_id
    ) OR EXISTS (
        SELECT FROM execution_logs LEFT JOIN fills ON fills.id = fill_id
        WHERE (action = 'FILLED') <> (fills.order_id IS NOT DISTINCT FROM execution_logs.order_id)
    ) OR EXISTS (
        SELECT FROM orders LEFT JOIN traders ON traders.id = trader_id WHERE traders.id IS NULL
    ) OR EXISTS (
        SELECT FROM orders
        LEFT JOIN (
            SELECT order_id, count(*) AS fills, sum(quantity_filled) AS quantity,
                sum(quantity_filled * price_at_fill) AS notional
            FROM fills GROUP BY order_id
        ) AS filled ON filled.order_id = id
        LEFT JOIN (
            SELECT order_id, count(*) FILTER (WHERE action = 'FILLED') AS fills,
                count(*) FILTER (WHERE action = 'SUBMITTED') AS submissions
            FROM execution_logs GROUP BY order_id
        ) AS logged ON logged.order_id = id
        WHERE filled_quantity <> coalesce(filled.quantity, 0)
            OR filled_notional <> coalesce(filled.notional, 0)
            OR average_fill_price IS DISTINCT FROM round(filled.notional / filled.quantity, 2)
            OR (status = 'FILLED') <> (filled_quantity = orders.quantity)
            OR coalesce(filled.fills, 0) <> logged.fills
            OR logged.submissions IS DISTINCT FROM 1
    ) THEN
        RAISE EXCEPTION 'the dataset of the benchmark violates an invariant';
    END IF;
END
$$;
