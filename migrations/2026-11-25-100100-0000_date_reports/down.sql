ALTER POLICY execution_logs_trader_cancels ON execution_logs WITH CHECK (
    action = 'CANCELLED' AND error_code IS NULL AND retry_attempt IS NULL AND venue_order_id IS NULL
);
ALTER TABLE execution_logs DROP COLUMN reported_at;
