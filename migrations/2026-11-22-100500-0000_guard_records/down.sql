-- Drops what up.sql created.

DROP TRIGGER execution_logs_keep_all ON execution_logs;
DROP TRIGGER execution_logs_keep_row ON execution_logs;
DROP TRIGGER execution_logs_keep_values ON execution_logs;
DROP TRIGGER fills_keep_all ON fills;
DROP TRIGGER fills_keep_row ON fills;
DROP TRIGGER fills_keep_values ON fills;
DROP TRIGGER orders_keep_all ON orders;
DROP TRIGGER orders_keep_row ON orders;
DROP TRIGGER orders_keep_derived ON orders;
DROP TRIGGER orders_keep_terms ON orders;

DROP FUNCTION blotter_refuse_change();
