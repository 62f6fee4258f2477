-- Makes the indexes again that unindex.sql took away.
DO $$
DECLARE
    definition text;
BEGIN
    SET maintenance_work_mem = '1GB';
    FOR definition IN SELECT again FROM unindexed LOOP
        EXECUTE definition;
    END LOOP;
    RESET maintenance_work_mem;
END
$$;
DROP TABLE unindexed;
