-- Restores prices of two decimal places and symbols of ten characters. Refuses when a stored value would not
-- fit, rather than round or cut it.

CALL blotter_permit_revert();

-- FORCE would hide the rows from the owner.
ALTER TABLE orders NO FORCE ROW LEVEL SECURITY;
ALTER TABLE fills NO FORCE ROW LEVEL SECURITY;

DO $$
DECLARE
    finer CONSTANT bigint := (
        SELECT count(*) FROM orders
        WHERE price <> round(price, 2) OR stop_loss <> round(stop_loss, 2)
            OR take_profit <> round(take_profit, 2) OR limit_price <> round(limit_price, 2)
    ) + (
        SELECT count(*) FROM fills
        WHERE price_at_fill <> round(price_at_fill, 2) OR commission <> round(commission, 2)
            OR rebate <> round(rebate, 2)
    );
    longer CONSTANT bigint := (SELECT count(*) FROM orders WHERE length(symbol) > 10);
    guard text;
BEGIN
    IF finer > 0 THEN
        RAISE EXCEPTION '% orders and fills have a price or a commission finer than a cent, which would '
            'be rounded; the columns stay as wide as they are', finer
            USING ERRCODE = 'numeric_value_out_of_range';
    END IF;
    IF longer > 0 THEN
        RAISE EXCEPTION '% orders have a symbol of more than 10 characters, which would be cut; the column stays '
            'as wide as it is', longer
            USING ERRCODE = 'string_data_right_truncation';
    END IF;
    IF blotter_scale() > 2 OR blotter_symbol_length() > 10 THEN
        SELECT pg_get_triggerdef(oid) INTO STRICT guard FROM pg_trigger
        WHERE tgrelid = 'orders'::regclass AND tgname = 'orders_keep_terms';
        DROP TRIGGER orders_keep_terms ON orders;
        ALTER TABLE orders
            ALTER symbol TYPE varchar(10),
            ALTER price TYPE numeric(10, 2), ALTER stop_loss TYPE numeric(10, 2),
            ALTER take_profit TYPE numeric(10, 2), ALTER limit_price TYPE numeric(10, 2),
            ALTER average_fill_price TYPE numeric(10, 2) USING
                (filled_notional + 0.000000000000000000000000000000) / nullif(filled_quantity, 0);
        EXECUTE guard;
        ALTER TABLE orders ENABLE ALWAYS TRIGGER orders_keep_terms;
        ALTER TABLE fills
            ALTER price_at_fill TYPE numeric(10, 2), ALTER commission TYPE numeric(10, 2),
            ALTER rebate TYPE numeric(10, 2);
    END IF;
END
$$;

ALTER TABLE orders FORCE ROW LEVEL SECURITY;
ALTER TABLE fills FORCE ROW LEVEL SECURITY;

DROP FUNCTION blotter_widen(integer, integer);
