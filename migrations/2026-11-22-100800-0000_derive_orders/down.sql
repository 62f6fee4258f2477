-- Drops what up.sql created.

CALL blotter_permit_revert();

DROP TRIGGER orders_log_submitted ON orders;
DROP TRIGGER orders_admit ON orders;

CALL blotter_lend_ledger();
DROP FUNCTION orders_log_submitted();
DROP FUNCTION blotter_end_replaced(uuid, uuid);
DROP FUNCTION orders_admit();
DROP FUNCTION blotter_next_change(timestamptz, timestamptz);
DROP FUNCTION blotter_is_open(order_status_enum);
DROP FUNCTION blotter_order_rule(
    text, text, text, text, numeric, numeric, numeric, numeric, text, timestamptz, timestamptz, date, jsonb
);
DROP FUNCTION blotter_refuse_transition(uuid, order_status_enum, action_enum);
CALL blotter_settle_ledger(VARIADIC '{}');
