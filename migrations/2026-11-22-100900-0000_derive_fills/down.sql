-- Drops what up.sql created.

CALL blotter_permit_revert();

DROP TRIGGER fills_derive ON fills;
DROP TRIGGER fills_stamp ON fills;

CALL blotter_lend_ledger();
DROP FUNCTION fills_derive();
DROP FUNCTION blotter_count_amendment(fills);
DROP FUNCTION blotter_count_fills(fills[]);
DROP FUNCTION fills_stamp();
DROP FUNCTION blotter_refuse_resolved(fills);
DROP FUNCTION blotter_end_replaced(uuid, uuid);
CALL blotter_settle_ledger(VARIADIC '{}');
