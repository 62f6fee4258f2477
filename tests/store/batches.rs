//! The batch functions of the database against its row triggers: whatever a batch holds, both leave the same rows.

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use uuid::Uuid;

use tradeblotter_test_support::{Database, check, texts};

const TRADER: u128 = 1;
const ORDERS: [(u128, i32); 5] = [(11, 100), (12, 50), (13, 10), (14, 100), (15, 100)];
/// An order that has been cancelled, and one that has a break.
const CANCELLED: u128 = 14;
const BROKEN: u128 = 15;
/// No order has this id.
const UNKNOWN: u128 = 99;

/// A row of a batch: one element of each array that the function takes, as SQL.
type Row = Vec<String>;

/// A function, its arguments by name and type, and the INSERT of one of its rows.
struct Batch {
    call: &'static str,
    types: &'static [&'static str],
    insert: &'static str,
    /// Whether the function has written the row at this index, given what it returned as text.
    written: fn(&str, usize, &Row) -> bool,
}

const ORDERS_BATCH: Batch = Batch {
    call: "blotter_submit_orders",
    types: &[
        "uuid", "uuid", "side_enum", "text", "integer", "order_type_enum", "numeric", "numeric",
        "numeric", "timestamptz", "text", "date", "text", "time_in_force_enum", "numeric", "text",
        "timestamptz", "jsonb",
    ],
    insert: "INSERT INTO orders (
        id, trader_id, side, symbol, quantity, order_type, price, stop_loss, take_profit, expires_at,
        client_order_id, trading_day, account, time_in_force, limit_price, currency, received_at, instructions
    )",
    written: |returned, _, row| returned.contains(row[0].trim_matches('\'')),
};

const FILLS_BATCH: Batch = Batch {
    call: "blotter_record_fills",
    types: &[
        "uuid",
        "uuid",
        "timestamptz",
        "integer",
        "numeric",
        "text",
        "numeric",
        "numeric",
        "text",
        "text",
    ],
    insert: "INSERT INTO fills (
        id, order_id, timestamp, quantity_filled, price_at_fill, venue, commission, rebate, source,
        execution_id
    )",
    written: |returned, _, row| returned.contains(row[0].trim_matches('\'')),
};

const ACTIONS_BATCH: Batch = Batch {
    call: "blotter_log_actions",
    types: &["uuid", "action_enum", "text", "text", "text", "timestamptz", "uuid"],
    insert: "INSERT INTO execution_logs (
        order_id, action, reason, error_code, venue_order_id, reported_at, report_id
    )",
    written: |returned, index, _| {
        let numbers = returned.trim_matches(['{', '}']).split(',').nth(index);
        numbers.is_some_and(|number| !["", "NULL"].contains(&number))
    },
};

fn id(number: u128) -> String {
    format!("'{}'", Uuid::from_u128(number))
}

fn quoted(text: &str) -> String {
    format!("'{text}'")
}

/// A database with the orders of these tests, and a connection as the engine.
fn prepared() -> (Database, PgConnection) {
    let db = Database::migrated();
    let mut conn = tradeblotter::connect(&db.login_url("blotter_engine")).unwrap();
    let trader = id(TRADER);
    conn.batch_execute(&format!("INSERT INTO traders (id, name) VALUES ({trader}, 'Ada')"))
        .unwrap();
    for (number, quantity) in ORDERS {
        let order = id(number);
        let sql = format!(
            "INSERT INTO orders (id, trader_id, symbol, quantity, order_type, client_order_id)
             VALUES ({order}, {trader}, 'AAPL', {quantity}, 'MARKET', 'C-{number}')"
        );
        conn.batch_execute(&sql).unwrap();
    }
    let more = format!(
        "INSERT INTO execution_logs (order_id, action) VALUES ({}, 'CANCELLED');
         INSERT INTO fills (id, order_id, timestamp, quantity_filled, price_at_fill, venue, execution_id)
         VALUES ({}, {}, '2026-11-20', 5, 10, 'XNAS', 'E-0');
         INSERT INTO breaks (id, reason, detail, order_id, venue, execution_id, timestamp, quantity, price)
         VALUES ({}, 'INVALID', 'X', {}, 'XNAS', 'E-1', '2026-11-20', 1, 10)",
        id(CANCELLED),
        id(500),
        id(11),
        id(600),
        id(BROKEN),
    );
    conn.batch_execute(&more).unwrap();
    (db, conn)
}

/// Inserts rows one by one, as ordinary rows; a refused one leaves nothing.
fn insert_each<'r>(conn: &mut PgConnection, batch: &Batch, rows: impl Iterator<Item = &'r Row>) {
    for row in rows {
        let casts = row.iter().zip(batch.types).map(|(value, kind)| format!("{value}::{kind}"));
        let values = casts.collect::<Vec<_>>().join(", ");
        let sql = format!("{} VALUES ({values}) ON CONFLICT DO NOTHING", batch.insert);
        let _ = conn.transaction::<_, diesel::result::Error, _>(|conn| conn.batch_execute(&sql));
    }
}

/// Calls the batch function, and inserts the rows that it has left out.
fn call(conn: &mut PgConnection, batch: &Batch, rows: &[Row]) {
    let arrays = batch.types.iter().enumerate().map(|(column, kind)| {
        let values: Vec<_> = rows.iter().map(|row| row[column].clone()).collect();
        format!("ARRAY[{}]::{kind}[]", values.join(", "))
    });
    let arrays = arrays.collect::<Vec<_>>().join(", ");
    let returned = texts(conn, &format!("SELECT {}({arrays})::text AS text", batch.call));
    let left_out = rows
        .iter()
        .enumerate()
        .filter(|(index, row)| !(batch.written)(&returned[0], *index, row))
        .map(|(_, row)| row);
    insert_each(conn, batch, left_out);
}

/// Everything that the database holds, but for times and the ids that it gives itself.
fn contents(conn: &mut PgConnection) -> Vec<String> {
    texts(
        conn,
        "SELECT 'order ' || (to_jsonb(o) - '{created_at,updated_at}'::text[])::text AS text
         FROM orders AS o
         UNION ALL
         SELECT 'fill ' || (to_jsonb(f) - '{created_at}'::text[])::text FROM fills AS f
         UNION ALL
         SELECT 'entry ' || row_number() OVER (PARTITION BY order_id ORDER BY sequence) || ' '
             || (to_jsonb(l) - '{id,sequence,timestamp,created_at}'::text[])::text
         FROM execution_logs AS l
         UNION ALL
         SELECT 'out of time ' || order_id FROM (
             SELECT order_id, timestamp <= lag(timestamp) OVER (PARTITION BY order_id ORDER BY sequence) AS late
             FROM execution_logs
         ) AS times WHERE late
         UNION ALL
         SELECT 'last entry ' || id FROM orders
         WHERE updated_at <> (SELECT max(timestamp) FROM execution_logs WHERE order_id = orders.id)
         ORDER BY 1",
    )
}

/// Writes the rows by the function and, in another database, one by one, and compares.
fn assert_same(batch: &Batch, rows: &[Row]) -> Result<(), TestCaseError> {
    let (_by_function, mut function) = prepared();
    let (_by_rows, mut single) = prepared();
    call(&mut function, batch, rows);
    insert_each(&mut single, batch, rows.iter());
    let (by_function, by_rows) = (contents(&mut function), contents(&mut single));
    let only_in = |these: &[String], others: &[String]| -> Vec<String> {
        these.iter().filter(|row| !others.contains(row)).cloned().collect()
    };
    prop_assert_eq!(only_in(&by_function, &by_rows), only_in(&by_rows, &by_function));
    prop_assert_eq!(by_function.len(), by_rows.len());
    Ok(())
}

fn number(values: &'static [u128]) -> impl Strategy<Value = String> {
    select(values).prop_map(id)
}

fn sql(values: &'static [&'static str]) -> impl Strategy<Value = String> {
    select(values).prop_map(str::to_owned)
}

#[test]
fn a_batch_of_fills_leaves_the_rows_that_the_row_triggers_leave() {
    let fill = (
        number(&[11, 11, 12, 12, 13, CANCELLED, BROKEN, UNKNOWN]),
        sql(&["1", "3", "10", "40", "0", "60"]),
        sql(&["10", "10.01", "9.99", "0", "'NaN'", "200000000"]),
        sql(&["'XNAS'", "'XNYS'", "' '"]),
        sql(&["'E-0'", "'E-1'", "'E-2'", "'E-3'", "NULL", r"E'E\t4'"]),
        sql(&["0", "0.25", "-1"]),
    );
    // Mostly rows without a fault, or nothing would be written by the function.
    let plain = (
        number(&[11, 12, 13]),
        sql(&["1", "2", "3"]),
        sql(&["10", "10.01", "9.99"]),
        sql(&["'XNAS'", "'XNYS'"]),
        sql(&["'E-1'", "'E-2'", "'E-3'", "'E-4'", "'E-5'", "NULL"]),
        sql(&["0", "0.25"]),
    );
    check(40, (vec(prop_oneof![1 => fill, 6 => plain], 1..14),), |(fills,)| {
        let mut rows: Vec<Row> = fills
            .into_iter()
            .enumerate()
            .map(|(index, (order, shares, price, venue, execution, rebate))| {
                let (fill, source) = (id(1000 + index as u128), venue.clone());
                let at = quoted("2026-11-20");
                vec![fill, order, at, shares, price, venue, "0".into(), rebate, source, execution]
            })
            .collect();
        rows.sort_by_key(|row| row[1].clone());
        assert_same(&FILLS_BATCH, &rows)
    });
}

#[test]
fn a_batch_of_orders_leaves_the_rows_that_the_row_triggers_leave() {
    let order = (
        sql(&["'AAPL'", "'MSFT'", "'AAPL'", "' '", r"E'A\nB'"]),
        sql(&["1", "100", "0"]),
        sql(&["'MARKET', NULL", "'LIMIT', 10", "'STOP', 10", "'LIMIT', NULL", "'LIMIT', 'NaN'"]),
        sql(&["NULL", "'C-1'", "'C-2'", "'C-11'", "''"]),
        sql(&["NULL", "'2026-11-20'", "'infinity'"]),
        sql(&["NULL", "10.5", "-1"]),
        sql(&["NULL", "'USD'", "'usd'"]),
        sql(&["NULL", r#"'{"18": "G"}'"#, "'[1]'", r#"'{"18": 1}'"#]),
    );
    check(40, (vec(order, 1..14),), |(orders,)| {
        let rows: Vec<Row> = orders
            .into_iter()
            .enumerate()
            .map(
                |(
                    index,
                    (symbol, quantity, priced, client, day, limit, currency, instructions),
                )| {
                    let (kind, price) = priced.split_once(", ").unwrap();
                    let null = || "NULL".to_owned();
                    vec![
                        id(1000 + index as u128),
                        id(TRADER),
                        quoted("SELL_SHORT"),
                        symbol,
                        quantity,
                        kind.into(),
                        price.into(),
                        null(),
                        null(),
                        null(),
                        client,
                        day,
                        quoted("A-1"),
                        quoted("GTC"),
                        limit,
                        currency,
                        quoted("2026-11-20"),
                        instructions,
                    ]
                },
            )
            .collect();
        assert_same(&ORDERS_BATCH, &rows)
    });
}

#[test]
fn a_batch_of_actions_leaves_the_rows_that_the_row_triggers_leave() {
    let action = (
        number(&[11, 12, 13, CANCELLED, BROKEN, UNKNOWN]),
        sql(&["'APPROVED'", "'EXECUTED'", "'REJECTED'", "'CANCELLED'", "'RECOVERED'", "'FILLED'"]),
        sql(&["NULL", "'V-1'", "'V-2'", "' '"]),
        sql(&["NULL", "NULL", "'00000000-0000-0000-0000-000000000007'"]),
    );
    check(40, (vec(action, 1..8),), |(actions,)| {
        let mut rows: Vec<Row> = actions
            .into_iter()
            .map(|(order, action, venue_order, report)| {
                let null = || "NULL".to_owned();
                vec![order, action, null(), null(), venue_order, quoted("2026-11-20"), report]
            })
            .collect();
        rows.sort_by_key(|row| row[0].clone());
        assert_same(&ACTIONS_BATCH, &rows)
    });
}
