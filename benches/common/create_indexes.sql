-- Creates the indexes that drop_indexes.sql has dropped.
DO $$
DECLARE
    statement text;
BEGIN
    SET maintenance_work_mem = '1GB';
    FOR statement IN SELECT definition FROM dropped_indexes LOOP
        EXECUTE statement;
    END LOOP;
    RESET maintenance_work_mem;
END
$$;
DROP TABLE dropped_indexes;
