-- Promises that the table made by up.sql is gone, and that a host's own `traders` is untouched.

DO $$
BEGIN
    IF obj_description(to_regclass('traders'), 'pg_class')
        = 'Traders, the owners of orders (table created by tradeblotter)'
    THEN
        DROP TABLE traders;
    END IF;
END
$$;
