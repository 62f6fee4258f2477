//! The batch functions, for whose rows no trigger fires and no trader's policy applies: only the engine calls them,
//! and they write nothing that the row triggers would refuse.

use crate::functions::SHADOW;
use crate::scene::{
    ABSENT, ADA, ADAS_CANCELLED, ADAS_FILLED, ADAS_PARTIAL, ADAS_PENDING, ADAS_REJECTED, By,
    GRACES_PENDING, Held, RECORDS, Scene, break_of,
};

attacks! {
    only_the_engine_writes_batches,
    the_engine_writes_batches_that_the_log_and_the_totals_agree_with,
    an_operator_of_the_callers_is_not_called_when_a_batch_is_written,
    a_batch_of_orders_leaves_out_what_a_trigger_would_refuse,
    a_batch_of_fills_leaves_out_what_a_trigger_would_refuse,
    a_batch_of_actions_leaves_out_what_a_trigger_would_refuse,
    a_batch_of_orders_is_written_without_those_that_it_leaves_out,
    a_batch_of_fills_is_written_without_those_that_it_leaves_out,
    a_batch_of_actions_is_written_without_those_that_it_leaves_out,
    a_value_that_does_not_fit_its_column_is_an_error_of_no_batch,
}

/// An id that no row has and no break names.
const NEW: &str = "c0000000-0000-7000-8000-000000000001";
/// Another one.
const NEWER: &str = "c0000000-0000-7000-8000-000000000002";

/// An array of these expressions.
fn array<T>(rows: &[T], of: impl Fn(&T) -> String) -> String {
    format!("ARRAY[{}]", rows.iter().map(of).collect::<Vec<_>>().join(", "))
}

/// Submits Ada's orders: id, symbol, quantity, client order id, trading day.
fn orders(rows: &[(&str, &str, i32, &str, &str)]) -> String {
    let all = |value: &str| array(rows, |_| value.to_owned());
    let none = all("NULL");
    format!(
        "SELECT @schema.blotter_submit_orders(
             {}::uuid[], {}::uuid[], {}::@schema.side_enum[], {}, {}, {}::@schema.order_type_enum[],
             {none}::numeric[], {none}::numeric[], {none}::numeric[], {none}::timestamptz[], {},
             {}::date[], {none}, {none}::@schema.time_in_force_enum[], {none}::numeric[], {none},
             {none}::timestamptz[], {none}::jsonb[]
         )::text AS text",
        array(rows, |(id, ..)| format!("'{id}'")),
        all(&format!("'{ADA}'")),
        all("'BUY'"),
        array(rows, |(_, symbol, ..)| (*symbol).to_owned()),
        array(rows, |(_, _, quantity, ..)| quantity.to_string()),
        all("'MARKET'"),
        array(rows, |(_, _, _, client, _)| (*client).to_owned()),
        array(rows, |(.., day)| (*day).to_owned()),
    )
}

/// Submits an order with this symbol and quantity, under this id.
fn order(id: &str, symbol: &str, quantity: i32) -> String {
    orders(&[(id, symbol, quantity, "NULL", "NULL")])
}

/// Records fills: id, order, shares, price, execution id.
fn fills(rows: &[(&str, &str, i32, &str, &str)]) -> String {
    let all = |value: &str| array(rows, |_| value.to_owned());
    format!(
        "SELECT @schema.blotter_record_fills(
             {}::uuid[], {}::uuid[], {}::timestamptz[], {}, {}::numeric[], {}, {}::numeric[],
             {}::numeric[], {}, {}
         )::text AS text",
        array(rows, |(id, ..)| format!("'{id}'")),
        array(rows, |(_, order, ..)| format!("'{order}'")),
        all("'2026-11-20'"),
        array(rows, |(_, _, shares, ..)| shares.to_string()),
        array(rows, |(_, _, _, price, _)| format!("'{price}'")),
        all("'NYSE'"),
        all("0"),
        all("0"),
        all("'NYSE'"),
        array(rows, |(.., execution)| (*execution).to_owned()),
    )
}

/// Records a fill of this order.
fn fill(order: &str, shares: i32, price: &str, execution: &str) -> String {
    fills(&[(ABSENT, order, shares, price, execution)])
}

/// Logs actions: order, action, the venue's id of the order, report.
fn actions(rows: &[(&str, &str, &str, &str)]) -> String {
    let none = array(rows, |_| "NULL".to_owned());
    format!(
        "SELECT @schema.blotter_log_actions(
             {}::uuid[], {}::@schema.action_enum[], {none}, {none}, {}, {none}::timestamptz[], {}::uuid[]
         )::text AS text",
        array(rows, |(order, ..)| format!("'{order}'")),
        array(rows, |(_, action, ..)| format!("'{action}'")),
        array(rows, |(_, _, venue_order, _)| (*venue_order).to_owned()),
        array(rows, |(.., report)| (*report).to_owned()),
    )
}

pub fn only_the_engine_writes_batches(scene: &Scene) -> Held {
    for (function, call) in [
        ("blotter_submit_orders", order(ABSENT, "'X'", 1)),
        ("blotter_record_fills", fill(ADAS_PENDING, 1, "1", "NULL")),
        ("blotter_log_actions", actions(&[(ADAS_PENDING, "CANCELLED", "NULL", "NULL")])),
    ] {
        let denied = format!("permission denied for function {function}");
        for attacker in [Scene::ada, Scene::compliance, Scene::auditor, Scene::owner_as_ada] {
            attacker(scene).refused(By::Words(&denied), &call)?;
        }
        scene.stranger().refused(By::Words("permission denied for"), call)?;
    }
    Ok(())
}

/// An order, its way to the venue, and two fills that fill it, and what is then stored.
fn lifecycle() -> ([String; 3], String, [&'static str; 4]) {
    let batches = [
        order(NEW, "'X'", 7),
        actions(&[(NEW, "EXECUTED", "'V-1'", "NULL")]),
        fills(&[(NEW, NEW, 3, "2.5", "'E-8'"), (NEWER, NEW, 4, "6", "'E-9'")]),
    ];
    let told = format!(
        "SELECT pg_catalog.concat_ws(' ', o.status, filled_quantity, filled_notional, average_fill_price,
             o.venue_order_id, l.action, l.status, fill_id IS NOT NULL, acted_by, acted_as,
             l.trader_id OPERATOR(pg_catalog.=) '{ADA}',
             timestamp OPERATOR(pg_catalog.>) pg_catalog.lag(timestamp) OVER (ORDER BY sequence)) AS text
         FROM @schema.orders o JOIN @schema.execution_logs l ON order_id OPERATOR(pg_catalog.=) o.id
         WHERE o.id OPERATOR(pg_catalog.=) '{NEW}' ORDER BY sequence"
    );
    let expected = [
        "FILLED 7 31.50 4.50 V-1 SUBMITTED PENDING f @engine_login @engine t",
        "FILLED 7 31.50 4.50 V-1 EXECUTED PENDING f @engine_login @engine t t",
        "FILLED 7 31.50 4.50 V-1 FILLED PARTIAL t @engine_login @engine t t",
        "FILLED 7 31.50 4.50 V-1 FILLED FILLED t @engine_login @engine t t",
    ];
    (batches, told, expected)
}

/// Also when the engine has tables of the same names.
pub fn the_engine_writes_batches_that_the_log_and_the_totals_agree_with(scene: &Scene) -> Held {
    let shadows = RECORDS.map(|table| {
        format!("CREATE TEMP TABLE {table} (LIKE @schema.{table}); GRANT ALL ON {table} TO PUBLIC;")
    });
    let (batches, told, expected) = lifecycle();
    let statements = format!("{} SET LOCAL ROLE @engine; {}", shadows.concat(), batches.join("; "));
    scene.engine().brings(&expected, statements, told)
}

pub fn an_operator_of_the_callers_is_not_called_when_a_batch_is_written(scene: &Scene) -> Held {
    scene.run(SHADOW);
    let (batches, told, expected) = lifecycle();
    let statements = format!("SET LOCAL ROLE @engine; {}", batches.join("; "));
    let mut engine = scene.engine();
    engine.run("SET search_path = shadow, pg_catalog, @schema");
    engine.brings(&expected, statements, told)
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
    // Known by its id.
    scene.engine().sees(&["{}"], fills(&[(ADAS_PARTIAL, ADAS_PENDING, 1, "1", "NULL")]))?;
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
        let rows: Vec<_> =
            orders.into_iter().map(|order| (order, action, venue_order, "NULL")).collect();
        scene.engine().brings(&[expected], known, actions(&rows))?;
    }
    Ok(())
}

/// The conditions of the functions are tried in a batch with a sound row: a key or a CHECK would refuse them too, but
/// the whole batch with them.
pub fn a_batch_of_orders_is_written_without_those_that_it_leaves_out(scene: &Scene) -> Held {
    let known = (NEW, "'X'", 1, "'C-1'", "NULL");
    let sound = (NEWER, "'X'", 1, "NULL", "NULL");
    scene.engine().sees(&[format!("{{{NEWER}}}")], orders(&[known, sound]))?;
    // On another day the same id is another order's.
    let of_today = (NEW, "'X'", 1, "'C-1'", "'2026-11-20'");
    scene.engine().sees(&[format!("{{{NEW}}}")], orders(&[of_today]))
}

pub fn a_batch_of_fills_is_written_without_those_that_it_leaves_out(scene: &Scene) -> Held {
    let sound = (NEWER, GRACES_PENDING, 1, "1", "'E-1'");
    for left_out in [
        vec![(ABSENT, ADAS_PENDING, 60, "1", "NULL"), (NEW, ADAS_PENDING, 41, "1", "NULL")],
        vec![(ABSENT, ADAS_PARTIAL, 1, "1", "'E-1'")],
        vec![(ABSENT, ADAS_PENDING, 0, "1", "NULL")],
        // All of the order's, also those before the one that breaks a rule.
        vec![(ABSENT, ADAS_PENDING, 1, "1", "NULL"), (NEW, ADAS_PENDING, 1, "1", "' '")],
    ] {
        let rows = [left_out, vec![sound]].concat();
        scene.engine().sees(&[format!("{{{NEWER}}}")], fills(&rows))?;
    }
    // The bust of an execution is another kind of row than its fill, and may have the same id.
    let bust = "INSERT INTO fills (amends, is_bust, execution_id)
                VALUES ('a0000000-0000-7000-8000-000000000002', true, 'E-9')";
    let same = fill(ADAS_PARTIAL, 1, "1", "'E-9'");
    scene.engine().brings(&[format!("{{{ABSENT}}}")], bust, same)
}

pub fn a_batch_of_actions_is_written_without_those_that_it_leaves_out(scene: &Scene) -> Held {
    let reported = format!("'{ADAS_PENDING}'");
    let known = (ADAS_PENDING, "CANCELLED", "NULL", reported.as_str());
    let sound = (GRACES_PENDING, "CANCELLED", "NULL", "NULL");
    let status = format!(
        "SELECT status::text AS text FROM orders
         WHERE id IN ('{ADAS_PENDING}', '{GRACES_PENDING}') ORDER BY id"
    );
    scene.engine().brings(&["PENDING", "CANCELLED"], actions(&[known, sound]), status)
}

/// The caller writes its rows one by one, and then learns which one and why.
pub fn a_value_that_does_not_fit_its_column_is_an_error_of_no_batch(scene: &Scene) -> Held {
    let long = "repeat('X', 65)";
    let mut engine = scene.engine();
    engine.sees(&["{}"], orders(&[(NEW, "'X'", 1, long, "NULL")]))?;
    engine.sees(&["{}"], fill(ADAS_PENDING, 1, "1", long))?;
    engine.sees(&["{}"], actions(&[(ADAS_PENDING, "EXECUTED", long, "NULL")]))
}
