-- Promises that a table `traders` exists, keyed by a uuid, for orders and log rows to refer to.
-- A host application that has a `traders` table of its own keeps it as it is; it only needs a uuid
-- primary key or unique column named `id`. The table comment is the mark by which down.sql knows
-- the table made here from a host's own.

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
