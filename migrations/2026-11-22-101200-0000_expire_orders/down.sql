-- Drops what up.sql created.

CALL blotter_permit_revert();

CALL blotter_lend_ledger();
DROP FUNCTION blotter_expire_due(timestamptz, integer);
CALL blotter_settle_ledger(VARIADIC '{}');
DROP INDEX idx_orders_expires;
