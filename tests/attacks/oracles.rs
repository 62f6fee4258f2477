//! Error messages as oracles: the error for another trader's row must equal the error for a row that does
//! not exist.

use crate::scene::{
    ABSENT, ADA, ADAS_FILLED, ADAS_PENDING, By, GRACE, GRACES_CANCELLED, GRACES_FILLED,
    GRACES_PENDING, Held, Scene, booking_of, bust_of, fill_of, log_of, order_of, replacement_of,
};

attacks! {
    an_action_on_anothers_order_meets_an_order_that_is_not_there,
    a_fill_of_anothers_order_meets_an_order_that_is_not_there,
    an_order_in_the_place_of_anothers_meets_an_order_that_is_not_there,
    a_bust_of_anothers_fill_meets_a_fill_that_is_not_there,
    a_resolution_of_anothers_break_meets_a_break_that_is_not_there,
    a_booking_to_anothers_order_meets_an_order_that_is_not_there,
    a_client_order_id_that_another_has_used_is_as_good_as_a_new_one,
    an_order_for_another_is_refused_whether_or_not_there_is_such_a_trader,
    no_error_about_a_key_repeats_a_value_of_anothers_row,
    beside_ids_what_a_trader_chooses_is_unique_among_its_own_rows,
}

pub fn an_action_on_anothers_order_meets_an_order_that_is_not_there(scene: &Scene) -> Held {
    let mut ada = scene.ada();
    // Including an order that has ended: "illegal transition" would reveal that it exists.
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

/// An order that is replaced or ended gives the same error as one that never existed; so does the
/// trader's own order in another's name.
pub fn an_order_in_the_place_of_anothers_meets_an_order_that_is_not_there(scene: &Scene) -> Held {
    let mut ada = scene.ada();
    for order in [GRACES_PENDING, GRACES_FILLED, GRACES_CANCELLED, ABSENT] {
        for trader in [ADA, GRACE] {
            let told = format!("there is no order {order} of trader {trader} to replace");
            ada.is_told(&told, "", replacement_of(order, trader))?;
        }
    }
    let told = format!("there is no order {ADAS_PENDING} of trader {GRACE} to replace");
    ada.is_told(&told, "", replacement_of(ADAS_PENDING, GRACE))
}

pub fn a_bust_of_anothers_fill_meets_a_fill_that_is_not_there(scene: &Scene) -> Held {
    scene.run("GRANT INSERT ON fills TO blotter_trader");
    for fill in [GRACES_FILLED, ABSENT] {
        scene.ada().is_told(&format!("there is no fill {fill}"), "", bust_of(fill))?;
    }
    Ok(())
}

pub fn a_resolution_of_anothers_break_meets_a_break_that_is_not_there(scene: &Scene) -> Held {
    scene.run("GRANT INSERT ON break_resolutions TO blotter_trader");
    // Including a break that is resolved.
    for broken in [GRACES_CANCELLED, GRACES_FILLED, ABSENT] {
        scene.ada().is_told(&format!("there is no break {broken}"), "", booking_of(broken))?;
    }
    Ok(())
}

pub fn a_booking_to_anothers_order_meets_an_order_that_is_not_there(scene: &Scene) -> Held {
    scene.run("GRANT INSERT ON break_resolutions TO blotter_trader");
    for order in [GRACES_PENDING, ABSENT] {
        let told = format!(
            "break {ADAS_FILLED} can't be booked to order {order}, which is not there; say which \
             order it is"
        );
        let booking = format!(
            "INSERT INTO break_resolutions (break_id, is_booked, order_id, reason)
             VALUES ('{ADAS_FILLED}', true, '{order}', 'X')"
        );
        scene.ada().is_told(&told, "", booking)?;
    }
    Ok(())
}

/// Two traders may use the same client order ids, and neither learns which the other has used.
pub fn a_client_order_id_that_another_has_used_is_as_good_as_a_new_one(scene: &Scene) -> Held {
    let order_called = |id: &str| {
        format!(
            "INSERT INTO orders (trader_id, symbol, quantity, order_type, client_order_id)
             VALUES ('{ADA}', 'X', 1, 'MARKET', '{id}')"
        )
    };
    let found = "SELECT client_order_id AS text FROM orders WHERE client_order_id LIKE 'G%'";
    scene.ada().brings(&["G-2"], order_called("G-2"), found)?;
    scene.ada().brings(&["G-3"], order_called("G-3"), found)?;
    for own in ["C-1", "A-2"] {
        scene.ada().is_told(
            r#"duplicate key value violates unique constraint "uq_orders_client_order_id""#,
            "",
            order_called(own),
        )?;
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

/// PostgreSQL leaves the values out of the message if the caller is subject to row-level security.
pub fn no_error_about_a_key_repeats_a_value_of_anothers_row(scene: &Scene) -> Held {
    let taken = format!(
        "INSERT INTO orders (id, trader_id, symbol, quantity, order_type)
         VALUES ('{GRACES_PENDING}', '{ADA}', 'X', 1, 'MARKET')"
    );
    let duplicate = "duplicate key value violates unique constraint \"orders_pkey\"";
    scene.ada().is_told(duplicate, "", taken)?;
    // An order of a trader who is not registered.
    scene.trader(ABSENT).is_told(
        r#"insert or update on table "orders" violates foreign key constraint "fk_orders_trader_id""#,
        "Key is not present in table \"traders\".",
        order_of(ABSENT),
    )
}

/// Otherwise a trader could probe for values of others by storing the same. It cannot choose the id or the number
/// of a log entry, nor name its report; and the owner of a replaced order is checked first.
pub fn beside_ids_what_a_trader_chooses_is_unique_among_its_own_rows(scene: &Scene) -> Held {
    scene.superuser().sees(
        &["uq_execution_logs_report_id", "uq_execution_logs_sequence", "uq_orders_replaces"],
        "SELECT indexrelid::regclass::text AS text
        FROM pg_index
        JOIN pg_class ON pg_class.oid = indrelid
        JOIN pg_attribute ON attrelid = indrelid AND attnum = indkey[0]
        WHERE relnamespace = '@schema'::regnamespace AND indisunique
            AND has_table_privilege('blotter_trader', indrelid, 'INSERT')
            AND NOT (indisprimary AND attname = 'id' AND indnkeyatts = 1)
            AND attname <> 'trader_id'
        ORDER BY 1",
    )
}
