-- Drops the table that up.sql created, and leaves a host application's own `traders` table untouched.

DO $$
BEGIN
    IF obj_description(to_regclass('traders'), 'pg_class')
        = 'Traders, the owners of orders (table created by tradeblotter)'
    THEN
        DROP TABLE traders;
    END IF;
END
$$;
