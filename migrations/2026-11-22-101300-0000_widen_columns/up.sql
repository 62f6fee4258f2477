-- Promises prices finer than a cent where they are needed: the owner can widen the price and commission
-- columns in place, repeatedly, without rounding a stored value; and clients can ask for the columns' scale,
-- so that they never send a value that PostgreSQL would round.

-- Returns the number of decimal places of the price and commission columns. Callable by everybody. The body
-- is parsed when the function is created, so the caller's search path has no influence.
CREATE FUNCTION blotter_scale() RETURNS integer LANGUAGE sql STABLE
    RETURN (
        SELECT (atttypmod - 4) & 2047 FROM pg_attribute
        WHERE attrelid = 'fills'::regclass AND attname = 'price_at_fill'
    );

-- Widens the price and commission columns to numeric(18, scale); only the owner of the tables may. Locks and
-- rewrites both tables, and derives the averages again at the new scale.
CREATE FUNCTION blotter_precision(scale integer) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    kept integer;
    guard text;
BEGIN
    -- Lock first: of two concurrent calls, the second must see the scale that the first has set.
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
    -- The guard names the columns, so their types cannot change while it exists. The table lock keeps writers
    -- out until it is back.
    SELECT pg_get_triggerdef(oid) INTO STRICT guard FROM pg_trigger
    WHERE tgrelid = 'orders'::regclass AND tgname = 'orders_keep_terms';
    DROP TRIGGER orders_keep_terms ON orders;
    EXECUTE format(
        'ALTER TABLE orders
            ALTER price TYPE numeric(18, %1$s), ALTER stop_loss TYPE numeric(18, %1$s),
            ALTER take_profit TYPE numeric(18, %1$s), ALTER limit_price TYPE numeric(18, %1$s),
            ALTER average_fill_price TYPE numeric(18, %1$s) USING
                (filled_notional + 0.000000000000000000000000000000) / nullif(filled_quantity, 0)',
        scale
    );
    EXECUTE guard;
    ALTER TABLE orders ENABLE ALWAYS TRIGGER orders_keep_terms;
    EXECUTE format(
        'ALTER TABLE fills
            ALTER price_at_fill TYPE numeric(18, %1$s), ALTER commission TYPE numeric(18, %1$s),
            ALTER rebate TYPE numeric(18, %1$s)',
        scale
    );
END
$$;

DO $$
BEGIN
    EXECUTE format(
        'ALTER FUNCTION blotter_precision(integer) SET search_path = %I, pg_temp',
        current_schema()
    );
END
$$;
REVOKE EXECUTE ON FUNCTION blotter_precision(integer) FROM PUBLIC;
