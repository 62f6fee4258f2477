-- Drops what up.sql created.

CALL blotter_permit_revert();

DROP TRIGGER fills_derive ON fills;
DROP TRIGGER fills_stamp ON fills;

CALL blotter_lend_ledger();
DROP FUNCTION fills_derive();
DROP FUNCTION blotter_refuse_fill(fills, integer);
DROP FUNCTION blotter_booked_reason(uuid);
DROP FUNCTION blotter_count_amendment(fills);
DROP FUNCTION fills_stamp();
DROP FUNCTION blotter_fill_rule(
    text, text, text, boolean, boolean, numeric, numeric, numeric, timestamptz
);
DROP FUNCTION blotter_refuse_resolved(fills);
CALL blotter_settle_ledger(VARIADIC '{}');
