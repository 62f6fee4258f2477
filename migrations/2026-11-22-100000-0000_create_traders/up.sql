-- Promises that a table `traders` with a unique uuid column `id` exists, for the foreign keys of orders and
-- log entries. A host application's own `traders` table is left as it is; it only needs that column.
-- down.sql drops the table only if it carries the table comment set here.

DO $$
BEGIN
    IF to_regclass('traders') IS NULL THEN
        CREATE TABLE traders (
            id uuid CONSTRAINT traders_pkey PRIMARY KEY DEFAULT gen_random_uuid(),
            name varchar(100) NOT NULL,
            created_at timestamptz NOT NULL DEFAULT now()
        );

        COMMENT ON TABLE traders IS 'Traders, the owners of orders (table created by tradeblotter)';
        COMMENT ON COLUMN traders.id IS 'Unique trader identifier';
        COMMENT ON COLUMN traders.name IS 'Name shown to people';
        COMMENT ON COLUMN traders.created_at IS 'Registered';
    ELSIF NOT EXISTS (
        SELECT
        FROM pg_index i
        JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
        WHERE i.indrelid = to_regclass('traders')
            AND i.indisunique AND i.indimmediate AND i.indnkeyatts = 1 AND i.indpred IS NULL
            AND a.attname = 'id' AND a.atttypid = 'uuid'::regtype
    ) THEN
        RAISE EXCEPTION 'the table "traders" that is already here has no unique uuid column "id"'
            USING ERRCODE = 'invalid_foreign_key',
            HINT = 'Orders refer to traders(id): make it a uuid with a primary key, or rename the table.';
    END IF;
END
$$;
