-- Drops the policies, the tables with their indexes, and the enums.

DROP POLICY execution_logs_immutable_delete ON execution_logs;
DROP POLICY execution_logs_immutable ON execution_logs;
DROP POLICY execution_logs_trader_isolation ON execution_logs;
DROP POLICY fills_trader_isolation ON fills;
DROP POLICY orders_trader_isolation ON orders;

DROP TABLE execution_logs;
DROP TABLE fills;
DROP TABLE orders;

DROP TYPE action_enum;
DROP TYPE order_status_enum;
DROP TYPE order_type_enum;
