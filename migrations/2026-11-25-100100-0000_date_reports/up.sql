-- Promises that a log entry can carry the venue's time of the event beside the time at which it was recorded.

ALTER TABLE execution_logs
    ADD COLUMN reported_at timestamptz,
    ADD CONSTRAINT ck_execution_logs_reported_at_readable CHECK (
        reported_at > '-infinity' AND reported_at < '262143-01-01 00:00:00+00'
    );
COMMENT ON COLUMN execution_logs.reported_at IS
    'When it happened, as the venue reports it (FIX tag 60, TransactTime)';

-- Prevents a trader from stating what the venue reported.
ALTER POLICY execution_logs_trader_cancels ON execution_logs WITH CHECK (
    action = 'CANCELLED' AND error_code IS NULL AND retry_attempt IS NULL AND venue_order_id IS NULL
    AND reported_at IS NULL
);
