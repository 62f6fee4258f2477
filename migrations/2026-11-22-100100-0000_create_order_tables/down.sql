-- Drops the policies, the tables with their indexes, and the enums.

-- Refuses while the log has entries, unless blotter.discard_records is on. FORCE would hide them from the owner.
ALTER TABLE execution_logs NO FORCE ROW LEVEL SECURITY;
DO $$
BEGIN
    IF coalesce(current_setting('blotter.discard_records', true), '') <> 'on'
        AND EXISTS (SELECT FROM execution_logs)
    THEN
        RAISE EXCEPTION 'the execution log has entries, and reverting this migration would discard them; to do '
            'so all the same, set blotter.discard_records to on'
            USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
END
$$;

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
