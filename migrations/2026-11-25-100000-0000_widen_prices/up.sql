-- Promises that who needs prices finer than a cent can have them: the columns of money are widened in
-- place, once or again, and nothing that is stored is rounded by it; and that clients can ask how fine the
-- columns are, so that they never send what would be rounded.

-- The columns of before have no room for more, and clients can't read more. What is no number has rules of
-- its own.
ALTER TABLE orders ADD CONSTRAINT ck_orders_money_in_range
    CHECK (
        nullif(greatest(price, stop_loss, take_profit, average_fill_price), 'NaN') < 100000000
    );
ALTER TABLE fills ADD CONSTRAINT ck_fills_money_in_range
    CHECK (nullif(greatest(price_at_fill, commission), 'NaN') < 100000000);

-- Decimal places that the columns of money keep. For everybody: it is no secret, and its body is parsed
-- when it is made, so that nothing stands in for what it names.
CREATE FUNCTION blotter_scale() RETURNS integer LANGUAGE sql STABLE
    RETURN (
        SELECT (atttypmod - 4) & 2047 FROM pg_attribute
        WHERE attrelid = 'fills'::regclass AND attname = 'price_at_fill'
    );

-- Widens the columns of money to numeric(18, scale), for the owner of the tables. Both tables are locked
-- and written anew. Averages are derived again, to as many places.
CREATE FUNCTION blotter_precision(scale integer) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    kept integer;
    guard text;
BEGIN
    -- First, so that of two who widen at once the second does not narrow what the first has made.
    LOCK TABLE orders, fills IN ACCESS EXCLUSIVE MODE;
    kept := blotter_scale();
    IF scale IS NULL OR scale NOT BETWEEN 2 AND 10 THEN
        RAISE EXCEPTION 'prices can be kept to 2 to 10 decimal places, and not to %',
            coalesce(scale::text, 'null')
            USING ERRCODE = 'invalid_parameter_value';
    ELSIF scale < kept THEN
        RAISE EXCEPTION 'prices are kept to % decimal places already, and to % they would be rounded',
            kept, scale
            USING ERRCODE = 'invalid_parameter_value';
    ELSIF scale = kept THEN
        RETURN;
    END IF;
    -- It names the columns, whose types then can't be changed; and nobody gets between.
    SELECT pg_get_triggerdef(oid) INTO STRICT guard FROM pg_trigger
    WHERE tgrelid = 'orders'::regclass AND tgname = 'orders_keep_terms';
    DROP TRIGGER orders_keep_terms ON orders;
    EXECUTE format(
        'ALTER TABLE orders
            ALTER price TYPE numeric(18, %1$s), ALTER stop_loss TYPE numeric(18, %1$s),
            ALTER take_profit TYPE numeric(18, %1$s),
            ALTER average_fill_price TYPE numeric(18, %1$s) USING
                (filled_notional + 0.000000000000000000000000000000) / nullif(filled_quantity, 0)',
        scale
    );
    EXECUTE guard;
    ALTER TABLE orders ENABLE ALWAYS TRIGGER orders_keep_terms;
    EXECUTE format(
        'ALTER TABLE fills
            ALTER price_at_fill TYPE numeric(18, %1$s), ALTER commission TYPE numeric(18, %1$s)',
        scale
    );
END
$$;

DO $$
BEGIN
    EXECUTE format(
        'ALTER FUNCTION blotter_precision(integer) SET search_path = pg_catalog, %I, pg_temp',
        current_schema()
    );
END
$$;
REVOKE EXECUTE ON FUNCTION blotter_precision(integer) FROM PUBLIC;
