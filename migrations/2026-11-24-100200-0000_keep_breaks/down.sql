-- Promises that nothing of up.sql is left. Every break is lost, and what was booked stays booked.

ALTER TABLE execution_logs DROP COLUMN break_id;
ALTER TABLE fills DROP COLUMN break_id;
DROP TABLE break_resolutions;
DROP TABLE breaks;
DROP TYPE break_reason_enum;
