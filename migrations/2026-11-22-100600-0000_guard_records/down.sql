-- Drops what up.sql created.

CALL blotter_permit_revert();

DO $$
BEGIN
    IF obj_description(to_regclass(format('%I.traders', current_schema())), 'pg_class')
        = 'Traders, the owners of orders (table created by tradeblotter)'
    THEN
        DROP TRIGGER traders_keep_all ON traders;
        DROP TRIGGER traders_keep_row ON traders;
        DROP TRIGGER traders_keep_values ON traders;
    END IF;
END
$$;
DROP TRIGGER seals_keep_all ON seals;
DROP TRIGGER seals_keep_row ON seals;
DROP TRIGGER seals_keep_values ON seals;
DROP TRIGGER break_resolutions_keep_all ON break_resolutions;
DROP TRIGGER break_resolutions_keep_row ON break_resolutions;
DROP TRIGGER break_resolutions_keep_values ON break_resolutions;
DROP TRIGGER breaks_keep_all ON breaks;
DROP TRIGGER breaks_keep_row ON breaks;
DROP TRIGGER breaks_keep_values ON breaks;
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
