-- Promises that nothing of up.sql is left.

DROP PROCEDURE blotter_settle_ledger(text[]);
DROP PROCEDURE blotter_lend_ledger();
