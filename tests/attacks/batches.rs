//! The batch functions, for whose rows no trigger fires and no trader's policy applies: only the engine calls them,
//! and they write nothing that the row triggers would refuse.

use crate::scene::{
    ABSENT, ADA, ADAS_CANCELLED, ADAS_FILLED, ADAS_PARTIAL, ADAS_PENDING, ADAS_REJECTED, By, Held,
    RECORDS, Scene, break_of,
};

attacks! {
    only_the_engine_writes_batches,
    the_engine_writes_batches_that_the_log_and_the_totals_agree_with,
    a_batch_of_orders_leaves_out_what_a_trigger_would_refuse,
    a_batch_of_fills_leaves_out_what_a_trigger_would_refuse,
    a_batch_of_actions_leaves_out_what_a_trigger_would_refuse,
}

/// An id that no row has and no break names.
const NEW: &str = "c0000000-0000-7000-8000-000000000001";

/// Submits an order with this symbol and quantity, under this id.
fn order(id: &str, symbol: &str, quantity: i32) -> String {
    format!(
        "SELECT public.blotter_submit_orders(
             '{{{id}}}', '{{{ADA}}}', '{{BUY}}', ARRAY[{symbol}], '{{{quantity}}}', '{{MARKET}}',
             '{{NULL}}', '{{NULL}}', '{{NULL}}', '{{NULL}}', '{{NULL}}', '{{NULL}}', '{{NULL}}', '{{NULL}}',
             '{{NULL}}', '{{NULL}}', '{{NULL}}', '{{NULL}}'
         )::text AS text"
    )
}

/// Records a fill of this order.
fn fill(order: &str, shares: i32, price: &str, execution: &str) -> String {
    format!(
        "SELECT public.blotter_record_fills(
             '{{{ABSENT}}}', '{{{order}}}', '{{2026-11-20}}', '{{{shares}}}', '{{{price}}}', '{{NYSE}}',
             '{{0}}', '{{0}}', '{{NYSE}}', ARRAY[{execution}]
         )::text AS text"
    )
}

/// Logs actions of these orders.
fn actions(orders: &[&str], action: &str, venue_order: &str) -> String {
    let each = |value: &str| vec![value; orders.len()].join(", ");
    format!(
        "SELECT public.blotter_log_actions(
             '{{{}}}', '{{{}}}', '{{{}}}', '{{{}}}', ARRAY[{}], '{{{}}}', '{{{}}}'
         )::text AS text",
        orders.join(", "),
        each(action),
        each("NULL"),
        each("NULL"),
        each(venue_order),
        each("NULL"),
        each("NULL"),
    )
}

pub fn only_the_engine_writes_batches(scene: &Scene) -> Held {
    for (function, call) in [
        ("blotter_submit_orders", order(ABSENT, "'X'", 1)),
        ("blotter_record_fills", fill(ADAS_PENDING, 1, "1", "NULL")),
        ("blotter_log_actions", actions(&[ADAS_PENDING], "CANCELLED", "NULL")),
    ] {
        let denied = format!("permission denied for function {function}");
        for attacker in [Scene::ada, Scene::compliance, Scene::auditor, Scene::owner_as_ada] {
            attacker(scene).refused(By::Words(&denied), &call)?;
        }
        scene.stranger().refused(By::Words("permission denied for"), call)?;
    }
    Ok(())
}

/// Also when the engine has tables of the same names.
pub fn the_engine_writes_batches_that_the_log_and_the_totals_agree_with(scene: &Scene) -> Held {
    let shadows = RECORDS.map(|table| {
        format!("CREATE TEMP TABLE {table} (LIKE public.{table}); GRANT ALL ON {table} TO PUBLIC;")
    });
    let batches =
        [order(NEW, "'X'", 7), actions(&[NEW], "EXECUTED", "'V-1'"), fill(NEW, 7, "2.5", "'E-9'")];
    let told = format!(
        "SELECT concat_ws(' ', o.status, filled_quantity, filled_notional, average_fill_price,
             o.venue_order_id, l.action, l.status, fill_id IS NOT NULL, acted_by ~ '^blotter_engine',
             l.trader_id = '{ADA}') AS text
         FROM public.orders o JOIN public.execution_logs l ON order_id = o.id
         WHERE o.id = '{NEW}' ORDER BY sequence"
    );
    scene.engine().brings(
        &[
            "FILLED 7 17.50 2.50 V-1 SUBMITTED PENDING f t t",
            "FILLED 7 17.50 2.50 V-1 EXECUTED PENDING f t t",
            "FILLED 7 17.50 2.50 V-1 FILLED FILLED t t t",
        ],
        shadows.concat() + &batches.join("; "),
        told,
    )
}

pub fn a_batch_of_orders_leaves_out_what_a_trigger_would_refuse(scene: &Scene) -> Held {
    for (id, symbol, quantity) in [
        // Known, unreadable, for nothing, and named by a break before.
        (ADAS_PENDING, "'X'", 1),
        (NEW, "' '", 1),
        (NEW, r"E'\x01'", 1),
        (NEW, "'X'", 0),
        (ABSENT, "'X'", 1),
    ] {
        scene.engine().sees(&["{}"], order(id, symbol, quantity))?;
    }
    Ok(())
}

pub fn a_batch_of_fills_leaves_out_what_a_trigger_would_refuse(scene: &Scene) -> Held {
    for (order, shares, price, execution) in [
        // Unknown, ended, over-filled, known, and unreadable in several ways.
        (ABSENT, 1, "1", "NULL"),
        (ADAS_FILLED, 1, "1", "NULL"),
        (ADAS_REJECTED, 1, "1", "NULL"),
        (ADAS_PENDING, 101, "1", "NULL"),
        (ADAS_PARTIAL, 1, "1", "'E-1'"),
        (ADAS_PENDING, 0, "1", "NULL"),
        (ADAS_PENDING, 1, "NaN", "NULL"),
        (ADAS_PENDING, 1, "1.001", "NULL"),
        (ADAS_PENDING, 1, "1", "' '"),
        (ADAS_PENDING, 1, "1", r"E'\x01'"),
    ] {
        scene.engine().sees(&["{}"], fill(order, shares, price, execution))?;
    }
    // Of an order with breaks, each fill is compared with them.
    let sound = fill(ADAS_PENDING, 1, "1", "'E-9'");
    scene.engine().brings(&["{}"], break_of(ADAS_PENDING), sound)
}

pub fn a_batch_of_actions_leaves_out_what_a_trigger_would_refuse(scene: &Scene) -> Held {
    let known = "INSERT INTO execution_logs (order_id, action, venue_order_id)
                 VALUES ('a0000000-0000-7000-8000-000000000002', 'EXECUTED', 'V-1')";
    for (orders, action, venue_order, expected) in [
        (vec![ABSENT], "APPROVED", "NULL", "{NULL}"),
        (vec![ADAS_CANCELLED], "APPROVED", "NULL", "{NULL}"),
        (vec![ADAS_FILLED], "CANCELLED", "NULL", "{NULL}"),
        (vec![ADAS_PENDING, ADAS_PENDING], "CANCELLED", "NULL", "{NULL,NULL}"),
        (vec![ADAS_PENDING], "SUBMITTED", "NULL", "{NULL}"),
        (vec![ADAS_PENDING], "FILLED", "NULL", "{NULL}"),
        (vec![ADAS_PENDING], "RECOVERED", "NULL", "{NULL}"),
        (vec![ADAS_PENDING], "EXECUTED", "' '", "{NULL}"),
        (vec![ADAS_PARTIAL], "EXECUTED", "'V-2'", "{NULL}"),
    ] {
        scene.engine().brings(&[expected], known, actions(&orders, action, venue_order))?;
    }
    Ok(())
}
