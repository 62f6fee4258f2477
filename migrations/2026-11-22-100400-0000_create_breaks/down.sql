-- Drops what up.sql created. Every break is lost.

CALL blotter_permit_revert();

ALTER TABLE execution_logs DROP COLUMN break_id;
ALTER TABLE fills DROP COLUMN break_id;
DROP TABLE break_resolutions;
DROP TABLE breaks;
DROP TYPE break_reason_enum;
