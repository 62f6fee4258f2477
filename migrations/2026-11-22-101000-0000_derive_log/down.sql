-- Drops what up.sql created.

CALL blotter_permit_revert();

DROP TRIGGER execution_logs_derive ON execution_logs;
DROP TRIGGER execution_logs_stamp ON execution_logs;
DROP TRIGGER execution_logs_require_order ON execution_logs;

CALL blotter_lend_ledger();
DROP FUNCTION execution_logs_derive();
DROP FUNCTION execution_logs_stamp();
DROP FUNCTION execution_logs_require_order();
CALL blotter_settle_ledger(VARIADIC '{}');
