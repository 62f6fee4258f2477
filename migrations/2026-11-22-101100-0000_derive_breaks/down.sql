-- Drops what up.sql created.

CALL blotter_permit_revert();

DROP TRIGGER break_resolutions_book ON break_resolutions;
DROP TRIGGER break_resolutions_number ON break_resolutions;
DROP TRIGGER break_resolutions_stamp ON break_resolutions;
DROP TRIGGER breaks_log ON breaks;
DROP TRIGGER breaks_number ON breaks;
DROP TRIGGER breaks_stamp ON breaks;

CALL blotter_lend_ledger();
DROP FUNCTION break_resolutions_book();
DROP FUNCTION break_resolutions_stamp();
DROP FUNCTION blotter_amended_fills(uuid, text, text, timestamptz);
DROP FUNCTION breaks_log();
DROP FUNCTION blotter_log_break(uuid, uuid, integer, text);
DROP FUNCTION breaks_stamp();
CALL blotter_settle_ledger(VARIADIC '{}');
