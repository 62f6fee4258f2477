-- Drops what up.sql created.

DROP PROCEDURE blotter_settle_ledger(text[]);
DROP PROCEDURE blotter_lend_ledger();
