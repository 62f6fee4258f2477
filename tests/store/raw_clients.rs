//! Clients that do not use the library: psql, as each role, with the columns of the base schema only.

use std::io::Write;
use std::process::{Command, Stdio};

use tradeblotter_test_support::{Database, history, with_order_of};

const NAMES: &str = "\\set ON_ERROR_STOP on\n\\set VERBOSITY verbose\n";

/// Runs a script with psql as this role; returns its output and its errors.
fn psql(db: &Database, role: &str, trader: &str, script: &str) -> (String, String) {
    let mut psql = Command::new("psql")
        .args(["--no-psqlrc", "--quiet", "--tuples-only", "--no-align", &db.login_url(role)])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|why| panic!("can't run psql, which comes with PostgreSQL: {why}"));
    let identity = format!("SET app.user_id = '{trader}';\n");
    let script = [NAMES, &identity, script].concat();
    psql.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
    let output = psql.wait_with_output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap().trim().to_owned();
    (text(output.stdout), text(output.stderr))
}

#[test]
fn an_order_lives_by_the_same_rules_when_psql_names_only_columns_of_the_base() {
    let (db, blotter, order) = with_order_of(100);
    let (id, trader) = (order.id, order.trader_id.to_string());
    let engine = |script: &str| psql(&db, "blotter_engine", "", script);
    let (_, complaint) = engine(&format!(
        "INSERT INTO execution_logs (order_id, trader_id, action) VALUES ('{id}', '{trader}', 'EXECUTED');
         INSERT INTO fills (order_id, quantity_filled, price_at_fill, venue)
         VALUES ('{id}', 30, 10.00, 'NYSE'), ('{id}', 30, 10.01, 'NYSE');"
    ));
    assert_eq!(complaint, "");
    for (script, rule) in [
        (
            format!(
                "INSERT INTO fills (order_id, quantity_filled, price_at_fill, venue)
                 VALUES ('{id}', 41, 10.00, 'NYSE');"
            ),
            "ck_orders_filled_lte_quantity",
        ),
        (
            format!(
                "INSERT INTO execution_logs (order_id, trader_id, action, status)
                 VALUES ('{id}', '{trader}', 'CANCELLED', 'FILLED');"
            ),
            "execution_logs_status_derived",
        ),
        (
            format!(
                "INSERT INTO execution_logs (order_id, trader_id, action)
                 VALUES ('{id}', '{trader}', 'FILLED');"
            ),
            "execution_logs_automatic",
        ),
        (
            format!(
                "INSERT INTO orders (trader_id, symbol, quantity, order_type, status)
                 VALUES ('{trader}', 'AAPL', 1, 'MARKET', 'FILLED');"
            ),
            "orders_begin_pending",
        ),
    ] {
        let (_, complaint) = engine(&script);
        assert!(complaint.contains(&format!("CONSTRAINT NAME:  {rule}")), "{complaint}");
    }
    let (_, complaint) = psql(
        &db,
        "blotter_trader",
        &trader,
        &format!(
            "INSERT INTO execution_logs (order_id, trader_id, action)
             VALUES ('{id}', '{trader}', 'CANCELLED');"
        ),
    );
    assert_eq!(complaint, "");
    let (seen, _) = psql(
        &db,
        "blotter_compliance",
        "",
        "SELECT concat_ws(' ', status, filled_quantity, average_fill_price) FROM orders;
         SELECT concat_ws(' ', action, status, acted_by) FROM execution_logs ORDER BY sequence;",
    );
    let lines: Vec<_> = seen.lines().collect();
    assert_eq!(
        lines,
        [
            "CANCELLED 60 10.01",
            "SUBMITTED PENDING app",
            "EXECUTED PENDING blotter_engine_login",
            "FILLED PARTIAL blotter_engine_login",
            "FILLED PARTIAL blotter_engine_login",
            "CANCELLED CANCELLED blotter_trader_login",
        ]
    );
    assert_eq!(history(&blotter, &order).order.filled_quantity, 60);
}

#[test]
fn psql_writes_as_no_role_what_that_role_may_not() {
    let (db, _blotter, order) = with_order_of(100);
    let (id, trader) = (order.id, order.trader_id.to_string());
    let fill = format!(
        "INSERT INTO fills (order_id, quantity_filled, price_at_fill, venue)
         VALUES ('{id}', 1, 1, 'X');"
    );
    let cancel = format!(
        "INSERT INTO execution_logs (order_id, trader_id, action)
         VALUES ('{id}', '{trader}', 'CANCELLED');"
    );
    let before = db.contents();
    for (role, script) in [
        ("blotter_trader", fill.as_str()),
        ("blotter_compliance", fill.as_str()),
        ("blotter_compliance", cancel.as_str()),
        ("blotter_trader", "UPDATE orders SET status = 'FILLED';"),
        ("blotter_engine", "UPDATE orders SET filled_quantity = 100;"),
        ("blotter_engine", "UPDATE fills SET price_at_fill = 1;"),
        ("blotter_engine", "DELETE FROM execution_logs;"),
        ("blotter_engine", "TRUNCATE breaks CASCADE;"),
        ("blotter_trader", "SELECT blotter_expire_due(now(), 10);"),
        ("blotter_engine", "SELECT nextval('execution_logs_sequence');"),
    ] {
        let (_, complaint) = psql(&db, role, &trader, script);
        assert!(complaint.contains("42501: permission denied"), "{role}: {script}: {complaint}");
    }
    assert_eq!(db.contents(), before);
}
