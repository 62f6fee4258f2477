//! Learning of another's rows from what is refused: an answer about a foreign row is the answer
//! about a row that is not there.

use crate::attacks::scene::{
    ABSENT, ADA, ADAS_PENDING, By, GRACE, GRACES_FILLED, GRACES_PENDING, Held, Scene, fill_of,
    log_of, order_of,
};

attacks! {
    an_action_on_anothers_order_meets_an_order_that_is_not_there,
    a_fill_of_anothers_order_meets_an_order_that_is_not_there,
    an_order_for_another_is_refused_whether_or_not_there_is_such_a_trader,
    no_error_about_a_key_repeats_a_value_of_anothers_row,
    uniqueness_is_of_ids_or_within_one_trader,
}

pub fn an_action_on_anothers_order_meets_an_order_that_is_not_there(scene: &Scene) -> Held {
    let mut ada = scene.ada();
    // An ended one too: "illegal transition" would tell that it is there.
    for order in [GRACES_PENDING, GRACES_FILLED, ABSENT] {
        for trader in ["", ADA, GRACE] {
            for action in ["CANCELLED", "APPROVED", "SUBMITTED"] {
                let log = log_of(order, trader, action);
                ada.is_told(&format!("there is no order {order}"), "", log)?;
            }
        }
    }
    Ok(())
}

pub fn a_fill_of_anothers_order_meets_an_order_that_is_not_there(scene: &Scene) -> Held {
    scene.run("GRANT INSERT ON fills TO blotter_trader");
    for order in [GRACES_PENDING, GRACES_FILLED, ABSENT] {
        scene.ada().is_told(&format!("there is no order {order}"), "", fill_of(order, ""))?;
    }
    Ok(())
}

pub fn an_order_for_another_is_refused_whether_or_not_there_is_such_a_trader(
    scene: &Scene,
) -> Held {
    for trader in [GRACE, ABSENT] {
        scene.ada().refused(By::Policy("orders"), order_of(trader))?;
    }
    Ok(())
}

/// The server leaves the values out where row security holds the caller.
pub fn no_error_about_a_key_repeats_a_value_of_anothers_row(scene: &Scene) -> Held {
    let taken = format!(
        "INSERT INTO orders (id, trader_id, symbol, quantity, order_type)
         VALUES ('{GRACES_PENDING}', '{ADA}', 'X', 1, 'MARKET')"
    );
    let entry = format!(
        "INSERT INTO execution_logs (id, order_id, trader_id, action)
         VALUES ('{GRACES_PENDING}', '{ADAS_PENDING}', '{ADA}', 'CANCELLED')"
    );
    for (rule, sql) in [("orders_pkey", taken), ("execution_logs_pkey", entry)] {
        let duplicate = format!("duplicate key value violates unique constraint \"{rule}\"");
        scene.ada().is_told(&duplicate, "", sql)?;
    }
    // Of a trader that nobody has registered.
    scene.trader(ABSENT).is_told(
        r#"insert or update on table "orders" violates foreign key constraint "fk_orders_trader_id""#,
        "Key is not present in table \"traders\".",
        order_of(ABSENT),
    )
}

/// What is unique beside an id is unique among the rows of one trader, or a trader could ask for
/// the values of others by storing the same.
pub fn uniqueness_is_of_ids_or_within_one_trader(scene: &Scene) -> Held {
    scene.superuser().sees(
        &[""; 0],
        "SELECT indexrelid::regclass::text AS text
        FROM pg_index
        JOIN pg_class ON pg_class.oid = indrelid
        JOIN pg_attribute ON attrelid = indrelid AND attnum = indkey[0]
        WHERE relnamespace = 'public'::regnamespace AND indisunique
            AND relname <> '__diesel_schema_migrations'
            AND NOT (indisprimary AND attname = 'id' AND indnkeyatts = 1)
            AND attname <> 'trader_id'",
    )
}
