-- Drops what up.sql created.

CALL blotter_permit_revert();

DO $$
BEGIN
    IF obj_description(to_regclass(format('%I.traders', current_schema())), 'pg_class')
        = 'Traders, the owners of orders (table created by tradeblotter)'
    THEN
        DROP TRIGGER traders_number ON traders;
    END IF;
END
$$;
DROP TRIGGER execution_logs_derive ON execution_logs;
DROP TRIGGER execution_logs_admit ON execution_logs;

CALL blotter_lend_ledger();
DROP FUNCTION blotter_last_number();
DROP FUNCTION blotter_number_row();
DROP FUNCTION execution_logs_derive();
DROP FUNCTION blotter_refuse_action(uuid, uuid, text, text, text, integer);
DROP FUNCTION blotter_action_rule(text, integer, text, text, timestamptz);
DROP FUNCTION execution_logs_require_order();
CALL blotter_settle_ledger(VARIADIC '{}');
