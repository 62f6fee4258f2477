-- Drops what up.sql created.

CALL blotter_permit_revert();

CALL blotter_lend_ledger();
DROP FUNCTION blotter_log_actions(uuid[], action_enum[], text[], text[], text[], timestamptz[], uuid[]);
DROP FUNCTION blotter_record_fills(
    uuid[], uuid[], timestamptz[], integer[], numeric[], text[], numeric[], numeric[], text[], text[]
);
DROP FUNCTION blotter_submit_orders(
    uuid[], uuid[], side_enum[], text[], integer[], order_type_enum[], numeric[], numeric[], numeric[],
    timestamptz[], text[], date[], text[], time_in_force_enum[], numeric[], text[], timestamptz[], jsonb[]
);
CALL blotter_settle_ledger(VARIADIC '{}');
