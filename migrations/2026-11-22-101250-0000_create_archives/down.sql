-- Drops what up.sql created. What left the database stays in its files; that it left is no longer stated.

CALL blotter_permit_revert();

CALL blotter_lend_ledger();
DROP TABLE archives;
DROP FUNCTION archives_stamp();
CALL blotter_settle_ledger(VARIADIC '{}');
