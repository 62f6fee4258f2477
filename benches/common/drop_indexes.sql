-- Drops the indexes, which slow down loading, and remembers their definitions. The primary keys that foreign keys
-- refer to stay: their ids arrive in the order of time, which is cheap.
CREATE TEMPORARY TABLE dropped_indexes AS
SELECT 'ALTER TABLE execution_logs ADD CONSTRAINT execution_logs_pkey PRIMARY KEY (id)' AS definition
UNION ALL
SELECT pg_get_indexdef(indexrelid) FROM pg_index
WHERE indrelid IN ('orders'::regclass, 'fills'::regclass, 'execution_logs'::regclass)
    AND NOT indisprimary;

DO $$
DECLARE
    name text;
BEGIN
    ALTER TABLE execution_logs DROP CONSTRAINT execution_logs_pkey;
    FOR name IN
        SELECT indexrelid::regclass FROM pg_index
        WHERE indrelid IN ('orders'::regclass, 'fills'::regclass, 'execution_logs'::regclass)
            AND NOT indisprimary
    LOOP
        EXECUTE 'DROP INDEX ' || name;
    END LOOP;
END
$$;
