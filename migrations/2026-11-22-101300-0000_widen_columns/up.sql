-- Promises finer prices and longer symbols where they are needed: the owner can widen the columns in place,
-- repeatedly, without rounding or cutting a stored value.

-- Widens the price and commission columns to numeric(18, prices), and the symbol to varchar(symbols); null
-- leaves them as they are. Only the owner of the tables may. Finer prices lock and rewrite both tables and derive
-- the averages again at the new scale; a longer symbol rewrites nothing.
CREATE FUNCTION blotter_widen(prices integer, symbols integer) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    scale integer;
    length integer;
    finer text;
    longer text;
    guard text;
BEGIN
    -- Lock first: of two concurrent calls, the second must see the widths that the first has set.
    LOCK TABLE orders IN ACCESS EXCLUSIVE MODE;
    IF prices IS NOT NULL THEN
        LOCK TABLE fills IN ACCESS EXCLUSIVE MODE;
    END IF;
    scale := blotter_scale();
    length := blotter_symbol_length();
    IF prices NOT BETWEEN 2 AND 10 THEN
        RAISE EXCEPTION 'prices can be kept to 2 to 10 decimal places, and not to %', prices
            USING ERRCODE = 'invalid_parameter_value';
    ELSIF prices < scale THEN
        RAISE EXCEPTION 'prices are kept to % decimal places already, and to % they would be rounded',
            scale, prices
            USING ERRCODE = 'invalid_parameter_value';
    ELSIF symbols NOT BETWEEN 10 AND 64 THEN
        RAISE EXCEPTION 'symbols can be widened to 10 to 64 characters, and not to %', symbols
            USING ERRCODE = 'invalid_parameter_value';
    ELSIF symbols < length THEN
        RAISE EXCEPTION 'symbols have up to % characters already, and to % they would be cut',
            length, symbols
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF prices > scale THEN
        finer := pg_catalog.format(
            'ALTER price TYPE numeric(18, %1$s), ALTER stop_loss TYPE numeric(18, %1$s),
            ALTER take_profit TYPE numeric(18, %1$s), ALTER limit_price TYPE numeric(18, %1$s),
            ALTER average_fill_price TYPE numeric(18, %1$s) USING
                (filled_notional + 0.000000000000000000000000000000) / nullif(filled_quantity, 0)',
            prices
        );
    END IF;
    IF symbols > length THEN
        longer := pg_catalog.format('ALTER symbol TYPE varchar(%s)', symbols);
    END IF;
    IF finer IS NULL AND longer IS NULL THEN
        RETURN;
    END IF;
    -- The guard names the columns, so their types cannot change while it exists. The table lock keeps writers
    -- out until it is back.
    SELECT pg_catalog.pg_get_triggerdef(oid) INTO STRICT guard FROM pg_catalog.pg_trigger
    WHERE tgrelid = 'orders'::regclass AND tgname = 'orders_keep_terms';
    DROP TRIGGER orders_keep_terms ON orders;
    EXECUTE 'ALTER TABLE orders ' || pg_catalog.concat_ws(', ', finer, longer);
    EXECUTE guard;
    ALTER TABLE orders ENABLE ALWAYS TRIGGER orders_keep_terms;
    IF prices > scale THEN
        EXECUTE pg_catalog.format(
            'ALTER TABLE fills
                ALTER price_at_fill TYPE numeric(18, %1$s), ALTER commission TYPE numeric(18, %1$s),
                ALTER rebate TYPE numeric(18, %1$s)',
            prices
        );
    END IF;
END
$$;

DO $$
BEGIN
    EXECUTE format(
        'ALTER FUNCTION blotter_widen(integer, integer) SET search_path = %I, pg_temp',
        current_schema()
    );
END
$$;
REVOKE EXECUTE ON FUNCTION blotter_widen(integer, integer) FROM PUBLIC;
