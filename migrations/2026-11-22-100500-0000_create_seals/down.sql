-- Drops what up.sql created. Every seal in the database is lost; checkpoint files are not touched.

CALL blotter_permit_revert();

DROP TABLE seals;
DROP FUNCTION seals_follow();
