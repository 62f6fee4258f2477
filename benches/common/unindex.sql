-- Takes the indexes away that a growing table need not keep up with, and notes how to make them again. The
-- keys that others refer to stay: their ids come in the order of time.
CREATE TEMPORARY TABLE unindexed AS
SELECT 'ALTER TABLE execution_logs ADD CONSTRAINT execution_logs_pkey PRIMARY KEY (id)' AS again
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
