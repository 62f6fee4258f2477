-- Promises that any number of workers may cancel expired orders at once, and that each order is cancelled
-- once: a worker skips orders that another one has locked.

CREATE INDEX idx_orders_expires ON orders (expires_at)
    WHERE status IN ('PENDING', 'PARTIAL') AND expires_at IS NOT NULL;

CALL blotter_lend_ledger();

-- Cancels up to `at_most` open orders that expire at `now` or before, earliest expiry first, and returns
-- their ids. A SECURITY DEFINER function, because locking an order requires the UPDATE privilege.
CREATE FUNCTION blotter_expire_due(now timestamptz, at_most integer) RETURNS uuid[]
LANGUAGE sql SECURITY DEFINER AS $$
    WITH due AS (
        SELECT id FROM orders
        WHERE status IN ('PENDING', 'PARTIAL') AND expires_at <= $1
        ORDER BY expires_at, id LIMIT $2
        FOR NO KEY UPDATE SKIP LOCKED
    ), ended AS (
        UPDATE orders SET
            status = 'CANCELLED',
            updated_at = greatest(clock_timestamp(), updated_at + interval '1 microsecond')
        FROM due WHERE orders.id = due.id
        RETURNING orders.id, orders.trader_id, orders.updated_at
    ), logged AS (
        INSERT INTO execution_logs (
            sequence, order_id, trader_id, action, status, timestamp, created_at, reason
        )
        SELECT nextval('execution_logs_sequence'), id, trader_id, 'CANCELLED', 'CANCELLED',
            updated_at, updated_at, 'expired'
        FROM ended
    )
    SELECT coalesce(array_agg(id), '{}') FROM ended
$$;

GRANT EXECUTE ON FUNCTION blotter_expire_due(timestamptz, integer) TO blotter_engine;
CALL blotter_settle_ledger('blotter_expire_due');
