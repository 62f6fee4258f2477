-- Promises that any number of workers may cancel expired orders at once, and that each order is cancelled
-- once: a worker skips orders that another one has locked.

CREATE INDEX idx_orders_expires ON orders (expires_at)
    WHERE status IN ('PENDING', 'PARTIAL') AND expires_at IS NOT NULL;

CALL blotter_lend_ledger();

-- Cancels up to `at_most` open orders that expire at `now` or before, earliest expiry first, and returns
-- their ids. A SECURITY DEFINER function, because locking an order requires the UPDATE privilege.
CREATE FUNCTION blotter_expire_due(now timestamptz, at_most integer) RETURNS uuid[]
LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    due CONSTANT uuid[] := ARRAY(
        -- The operator is qualified, and not the column cast to text, so that idx_orders_expires serves.
        SELECT id FROM orders
        WHERE status OPERATOR(pg_catalog.=) ANY ('{PENDING, PARTIAL}'::order_status_enum[])
            AND expires_at <= now
        ORDER BY expires_at, id LIMIT at_most
        FOR NO KEY UPDATE SKIP LOCKED
    );
    expired uuid;
    clock timestamptz;
    ended record;
BEGIN
    FOREACH expired IN ARRAY due LOOP
        clock := pg_catalog.clock_timestamp();
        UPDATE orders SET status = 'CANCELLED', updated_at = blotter_next_change(clock, updated_at)
        WHERE id = expired RETURNING trader_id, updated_at INTO ended;
        INSERT INTO execution_logs (
            sequence, order_id, trader_id, action, status, timestamp, created_at, reason
        ) VALUES (
            pg_catalog.nextval('execution_logs_sequence'::regclass), expired, ended.trader_id, 'CANCELLED',
            'CANCELLED', ended.updated_at, ended.updated_at, 'expired'
        );
    END LOOP;
    RETURN due;
END
$$;

GRANT EXECUTE ON FUNCTION blotter_expire_due(timestamptz, integer) TO blotter_engine;
CALL blotter_settle_ledger('blotter_expire_due');
