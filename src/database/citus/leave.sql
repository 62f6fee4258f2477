-- Removes the rows that Citus leaves behind in the tables of the coordinator when it has copied them into the shards.
-- Only the guards against TRUNCATE of these empty shells are off meanwhile, not those of the shards.

SELECT set_config('citus.enable_ddl_propagation', 'off', true);
ALTER TABLE orders DISABLE TRIGGER orders_keep_all;
ALTER TABLE fills DISABLE TRIGGER fills_keep_all;
ALTER TABLE execution_logs DISABLE TRIGGER execution_logs_keep_all;
ALTER TABLE breaks DISABLE TRIGGER breaks_keep_all;
ALTER TABLE break_resolutions DISABLE TRIGGER break_resolutions_keep_all;
ALTER TABLE traders DISABLE TRIGGER traders_keep_all;
ALTER TABLE seals DISABLE TRIGGER seals_keep_all;
ALTER TABLE archives DISABLE TRIGGER archives_keep_all;
-- It goes on to every table that refers to traders.
SELECT truncate_local_data_after_distributing_table('traders');
SELECT truncate_local_data_after_distributing_table('seals');
SELECT truncate_local_data_after_distributing_table('archives');
SELECT truncate_local_data_after_distributing_table('__diesel_schema_migrations');
-- These functions have switched it on again.
SELECT set_config('citus.enable_ddl_propagation', 'off', true);
ALTER TABLE orders ENABLE ALWAYS TRIGGER orders_keep_all;
ALTER TABLE fills ENABLE ALWAYS TRIGGER fills_keep_all;
ALTER TABLE execution_logs ENABLE ALWAYS TRIGGER execution_logs_keep_all;
ALTER TABLE breaks ENABLE ALWAYS TRIGGER breaks_keep_all;
ALTER TABLE break_resolutions ENABLE ALWAYS TRIGGER break_resolutions_keep_all;
ALTER TABLE traders ENABLE ALWAYS TRIGGER traders_keep_all;
ALTER TABLE seals ENABLE ALWAYS TRIGGER seals_keep_all;
ALTER TABLE archives ENABLE ALWAYS TRIGGER archives_keep_all;
