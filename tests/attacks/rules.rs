//! Rows that break a rule of their own: the insert triggers refuse them for every client, since rows are never
//! removed and an unreadable one would break every page that holds it.

use crate::scene::{ADA, ADAS_PENDING, By, Held, Scene};

/// Widens the price columns. As they are at first, their type refuses an amount that is out of range.
const WIDEN: &str = "SELECT blotter_widen(4, NULL)";

attacks! {
    an_order_that_cannot_be_read_is_refused,
    a_fill_that_cannot_be_read_is_refused,
    an_action_that_cannot_be_read_is_refused,
}

pub fn an_order_that_cannot_be_read_is_refused(scene: &Scene) -> Held {
    for (columns, values, rule) in [
        ("symbol", "' '", "symbol_not_blank"),
        ("symbol, client_order_id", "'X', ''", "client_order_id_not_blank"),
        ("symbol, account", "'X', ' '", "account_not_blank"),
        ("symbol", r"E'A\tB'", "no_control_characters"),
        ("symbol, client_order_id", r"'X', E'G-1\x01150=F'", "no_control_characters"),
        ("symbol, account", r"'X', E'A\u0085'", "no_control_characters"),
        ("symbol, price", "'X', 'NaN'", "price_not_nan"),
        ("symbol, stop_loss", "'X', 0", "stop_loss_positive"),
        ("symbol, stop_loss", "'X', 'NaN'", "stop_loss_positive"),
        ("symbol, take_profit", "'X', 0", "take_profit_positive"),
        ("symbol, take_profit", "'X', 'NaN'", "take_profit_positive"),
        ("symbol, limit_price", "'X', -1", "limit_price_positive"),
        ("symbol, limit_price", "'X', 'NaN'", "limit_price_positive"),
        ("symbol, limit_price", "'X', 1", "limit_price_of_stop"),
        ("symbol, currency", "'X', 'usd'", "currency_iso_4217"),
        ("symbol, expires_at", "'X', 'infinity'", "expires_at_readable"),
        ("symbol, received_at", "'X', '-infinity'", "received_at_readable"),
        ("symbol, expires_at", "'X', '10000-01-01 00:00:00+00'", "expires_at_readable"),
        ("symbol, received_at", "'X', '0001-12-31 23:59:59+00 BC'", "received_at_readable"),
        ("symbol, trading_day", "'X', '10000-01-01'", "trading_day_readable"),
        ("symbol, trading_day", "'X', '0001-12-31 BC'", "trading_day_readable"),
        ("symbol, instructions", "'X', '[]'", "instructions_readable"),
        ("symbol, instructions", r#"'X', '{"18": 1}'"#, "instructions_readable"),
        (
            "symbol, instructions",
            "'X', jsonb_build_object('58', repeat('X', 65536))",
            "instructions_readable",
        ),
    ] {
        let sql = format!(
            "INSERT INTO orders (trader_id, quantity, order_type, {columns})
             VALUES ('{ADA}', 1, 'MARKET', {values})"
        );
        let rule = format!("ck_orders_{rule}");
        scene.ada().refused(By::Rule(&rule), &sql)?;
        scene.engine().refused(By::Rule(&rule), sql)?;
    }
    for column in ["price", "stop_loss", "take_profit", "limit_price"] {
        let sql = format!(
            "INSERT INTO orders (trader_id, symbol, quantity, order_type, {column})
             VALUES ('{ADA}', 'X', 1, 'MARKET', 100000000)"
        );
        scene.superuser().refused_after(By::Rule("ck_orders_money_in_range"), WIDEN, sql)?;
    }
    Ok(())
}

pub fn a_fill_that_cannot_be_read_is_refused(scene: &Scene) -> Held {
    for (columns, values, rule) in [
        ("price_at_fill, venue", "1, ' '", "venue_not_blank"),
        ("price_at_fill, venue, source", "1, 'X', ''", "source_not_blank"),
        ("price_at_fill, venue, execution_id", "1, 'X', ' '", "execution_id_not_blank"),
        ("price_at_fill, venue, execution_id", r"1, 'X', E'\x01'", "no_control_characters"),
        ("price_at_fill, venue, source", r"1, 'X', E'X\n'", "no_control_characters"),
        ("price_at_fill, venue, is_bust", "1, 'X', true", "bust_amends"),
        ("price_at_fill, venue", "'NaN', 'X'", "price_not_nan"),
        ("price_at_fill, venue, commission", "1, 'X', 'NaN'", "commission_not_nan"),
        ("price_at_fill, venue, rebate", "1, 'X', -1", "rebate_nonnegative"),
        ("price_at_fill, venue, rebate", "1, 'X', 'NaN'", "rebate_nonnegative"),
        ("price_at_fill, venue, timestamp", "1, 'X', 'infinity'", "timestamp_readable"),
        ("price_at_fill, venue, timestamp", "1, 'X', '0001-12-31 BC'", "timestamp_readable"),
    ] {
        let sql = format!(
            "INSERT INTO fills (order_id, quantity_filled, {columns})
             VALUES ('{ADAS_PENDING}', 1, {values})"
        );
        scene.engine().refused(By::Rule(&format!("ck_fills_{rule}")), sql)?;
    }
    for values in ["100000000, 0, 0", "1, 100000000, 0", "1, 0, 100000000"] {
        let sql = format!(
            "INSERT INTO fills
                 (order_id, quantity_filled, venue, price_at_fill, commission, rebate)
             VALUES ('{ADAS_PENDING}', 1, 'X', {values})"
        );
        scene.superuser().refused_after(By::Rule("ck_fills_money_in_range"), WIDEN, sql)?;
    }
    Ok(())
}

pub fn an_action_that_cannot_be_read_is_refused(scene: &Scene) -> Held {
    for (column, value, rule) in [
        ("reason", "repeat('X', 1001)", "reason_short"),
        ("retry_attempt", "-1", "retry_attempt_nonnegative"),
        ("venue_order_id", "' '", "venue_order_id_not_blank"),
        ("venue_order_id", r"E'V\x01'", "no_control_characters"),
        ("error_code", r"E'\x7F'", "no_control_characters"),
        ("reported_at", "'infinity'", "reported_at_readable"),
        ("reported_at", "'9999-12-31 23:59:59.999999-00:01'", "reported_at_readable"),
    ] {
        let sql = format!(
            "INSERT INTO execution_logs (order_id, action, {column})
             VALUES ('{ADAS_PENDING}', 'EXECUTED', {value})"
        );
        scene.engine().refused(By::Rule(&format!("ck_execution_logs_{rule}")), sql)?;
    }
    Ok(())
}
