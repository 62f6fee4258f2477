//! Idempotency: repeated messages are deduplicated by the ids that clients and venues assign, and
//! different content under the same id is refused.

use std::sync::Barrier;
use std::thread;

use chrono::TimeDelta;
use diesel::connection::SimpleConnection;
use tradeblotter::{
    Commission, Error, Execution, ExecutionKind, Fill, Filter, NewAction, NewBust, NewCorrection,
    NewExecutionLog, NewFill, NewOrder, Order, Page, Side,
};
use uuid::Uuid;

use tradeblotter_test_support::{
    Database, append, assert_refused, fill_of, history, noon, price, record, submit, trader,
    with_order_of,
};

/// Number of clients that send the same messages at the same time.
const TOGETHER: usize = 8;

fn mismatched(error: &Error, fields: &[&str]) {
    assert_refused(error, Error::is_mismatch, None);
    assert_eq!(error.differing_fields(), fields);
    for field in fields {
        assert!(error.to_string().contains(field), "{error}");
    }
}

/// Runs a closure on this many threads at once.
fn at_once<T: Send>(work: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let barrier = &Barrier::new(TOGETHER);
    let work = &work;
    thread::scope(|scope| {
        let run = |n| {
            scope.spawn(move || {
                barrier.wait();
                work(n)
            })
        };
        let threads: Vec<_> = (0..TOGETHER).map(run).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

#[test]
fn an_order_that_is_submitted_again_is_the_stored_one_as_it_stands() {
    let db = Database::migrated();
    let blotter = db.blotter();
    let ada = trader(&blotter, "Ada");
    let new = NewOrder {
        client_order_id: Some("C-1"),
        stop_loss: Some(price("9.00")),
        expires_at: Some(noon() + TimeDelta::nanoseconds(1_999)),
        ..NewOrder::limit(ada.id, Side::Sell, "AAPL", 100, price("10.50"))
    };
    let first = submit(&blotter, &new).unwrap();
    assert_eq!(submit(&blotter, &new).unwrap(), first);
    append(&blotter, &NewExecutionLog::new(first.id, NewAction::Cancelled)).unwrap();
    let before = db.contents();
    let again = submit(&blotter, &new).unwrap();
    assert_eq!(again, history(&blotter, &first).order);
    assert_eq!(blotter.engine().transaction(|tx| tx.orders().submit(&new)).unwrap(), again);
    assert_eq!(db.contents(), before);
    assert_eq!(
        blotter
            .engine()
            .transaction(|tx| tx.orders().by_client_order_id(ada.id, "C-1", None))
            .unwrap(),
        again
    );
}

#[test]
fn another_order_under_a_known_id_is_refused_with_the_fields_that_differ() {
    let db = Database::migrated();
    let blotter = db.blotter();
    let ada = trader(&blotter, "Ada");
    let new = NewOrder {
        client_order_id: Some("C-1"),
        ..NewOrder::limit(ada.id, Side::Buy, "AAPL", 100, price("10.50"))
    };
    let order = submit(&blotter, &new).unwrap();
    let before = db.contents();
    let others: [(NewOrder<'_>, &[&str]); 5] = [
        (NewOrder { side: Side::Sell, ..new }, &["side"]),
        (NewOrder { symbol: "MSFT", quantity: 200, ..new }, &["symbol", "quantity"]),
        (
            NewOrder { price: Some(price("10.51")), stop_loss: Some(price("9.00")), ..new },
            &["price", "stop loss"],
        ),
        (
            NewOrder { take_profit: Some(price("12.00")), expires_at: Some(noon()), ..new },
            &["take profit", "expires at"],
        ),
        (
            NewOrder { order_type: tradeblotter::OrderType::Stop, replaces: Some(order.id), ..new },
            &["order type", "replaces"],
        ),
    ];
    for (other, fields) in &others {
        let error = submit(&blotter, other).unwrap_err();
        mismatched(&error, fields);
        assert!(error.to_string().contains(&order.id.to_string()), "{error}");
        let batch = [NewOrder { client_order_id: Some("C-2"), ..new }, *other];
        let error =
            blotter.engine().transaction(|tx| tx.orders().submit_batch(&batch)).unwrap_err();
        mismatched(&error, fields);
    }
    assert_eq!(db.contents(), before);
}

#[test]
fn a_client_order_id_is_one_traders_and_says_nothing_of_anothers() {
    let db = Database::migrated();
    let blotter = db.blotter();
    let (ada, grace) = (trader(&blotter, "Ada"), trader(&blotter, "Grace"));
    let of = |trader: Uuid, quantity| NewOrder {
        client_order_id: Some("C-1"),
        ..NewOrder::market(trader, Side::Buy, "AAPL", quantity)
    };
    let adas = submit(&blotter, &of(ada.id, 100)).unwrap();
    let graces = submit(&blotter, &of(grace.id, 200)).unwrap();
    assert_ne!(adas.id, graces.id);
    let as_grace = blotter.trader(grace.id).unwrap();
    let hidden = as_grace.transaction(|tx| tx.orders().by_client_order_id(ada.id, "C-1", None));
    assert_refused(&hidden.unwrap_err(), Error::is_not_found, None);
}

#[test]
fn a_fill_that_is_recorded_again_is_the_stored_one_whatever_became_of_its_order() {
    let (db, blotter, order) = with_order_of(100);
    let new = NewFill {
        execution_id: Some("E-1"),
        commission: "0.35".parse().unwrap(),
        ..fill_of(&order, 60, "10.00")
    };
    let first = record(&blotter, &new).unwrap();
    assert_eq!(record(&blotter, &new).unwrap(), first);
    append(&blotter, &NewExecutionLog::new(order.id, NewAction::Cancelled)).unwrap();
    let before = db.contents();
    assert_eq!(record(&blotter, &new).unwrap(), first);
    let batch = blotter.engine().transaction(|tx| tx.fills().record_batch(&[new, new]));
    assert_eq!(batch.unwrap(), [first.clone(), first]);
    assert_eq!(db.contents(), before);
}

#[test]
fn another_fill_under_a_known_id_is_refused_with_the_fields_that_differ() {
    let (db, blotter, order) = with_order_of(100);
    let new = NewFill { execution_id: Some("E-1"), ..fill_of(&order, 10, "10.00") };
    let fill = record(&blotter, &new).unwrap();
    let before = db.contents();
    let others: [(NewFill<'_>, &[&str]); 3] = [
        (NewFill { quantity_filled: 11, ..new }, &["quantity"]),
        (NewFill { price_at_fill: price("10.01"), ..new }, &["price"]),
        (
            NewFill {
                timestamp: noon() + TimeDelta::seconds(1),
                commission: "1".parse().unwrap(),
                ..new
            },
            &["timestamp", "commission"],
        ),
    ];
    for (other, fields) in &others {
        let error = record(&blotter, other).unwrap_err();
        mismatched(&error, fields);
        assert!(error.to_string().contains(&fill.id.to_string()), "{error}");
        let batch = [fill_of(&order, 1, "10.00"), *other];
        let error = blotter.engine().transaction(|tx| tx.fills().record_batch(&batch)).unwrap_err();
        mismatched(&error, fields);
    }
    assert_eq!(db.contents(), before);
}

#[test]
fn an_execution_id_is_one_orders_at_one_venue() {
    let (_db, blotter, order) = with_order_of(100);
    let new = NewOrder::market(order.trader_id, Side::Buy, "AAPL", 100);
    let other = submit(&blotter, &new).unwrap();
    let new = NewFill { execution_id: Some("E-1"), ..fill_of(&order, 10, "10.00") };
    record(&blotter, &new).unwrap();
    record(&blotter, &NewFill { venue: "NYSE", ..new }).unwrap();
    record(&blotter, &NewFill { order_id: other.id, ..new }).unwrap();
    assert_eq!(history(&blotter, &order).order.filled_quantity, 20);
    assert_eq!(history(&blotter, &other).order.filled_quantity, 10);
}

#[test]
fn a_fill_without_an_execution_id_counts_each_time() {
    let (_db, blotter, order) = with_order_of(100);
    for _ in 0..3 {
        record(&blotter, &fill_of(&order, 10, "10.00")).unwrap();
    }
    assert_eq!(history(&blotter, &order).order.filled_quantity, 30);
}

#[test]
fn a_bust_or_a_correction_that_comes_again_is_the_stored_one_and_another_is_refused() {
    let (db, blotter, order) = with_order_of(100);
    let [one, two] = [1, 2].map(|_| record(&blotter, &fill_of(&order, 50, "10.00")).unwrap());
    let bust = NewBust { amends: one.id, timestamp: noon(), execution_id: Some("E-2") };
    let correction = NewCorrection {
        amends: two.id,
        timestamp: noon(),
        quantity_filled: 40,
        price_at_fill: price("10.00"),
        commission: Commission::default(),
        rebate: Commission::default(),
        execution_id: Some("E-3"),
    };
    let amend = || {
        blotter.engine().transaction(|tx| {
            Ok::<_, Error>((tx.fills().bust(&bust)?, tx.fills().correct(&correction)?))
        })
    };
    let first = amend().unwrap();
    let before = db.contents();
    assert_eq!(amend().unwrap(), first);

    let engine = blotter.engine();
    let other = NewCorrection { quantity_filled: 41, price_at_fill: price("10.01"), ..correction };
    let error = engine.transaction(|tx| tx.fills().correct(&other)).unwrap_err();
    mismatched(&error, &["quantity", "price"]);
    let other = NewBust { timestamp: noon() + TimeDelta::seconds(1), ..bust };
    let error = engine.transaction(|tx| tx.fills().bust(&other)).unwrap_err();
    mismatched(&error, &["timestamp"]);
    // A bust of a fill that is already corrected, under the execution id of the correction, which is another
    // kind; and a bust of a fill that is already busted.
    let other = NewBust { amends: two.id, execution_id: Some("E-3"), ..bust };
    let error = engine.transaction(|tx| tx.fills().bust(&other)).unwrap_err();
    assert_refused(&error, Error::is_duplicate, Some("uq_fills_amends"));
    let other = NewBust { execution_id: Some("E-4"), ..bust };
    let error = engine.transaction(|tx| tx.fills().bust(&other)).unwrap_err();
    assert_refused(&error, Error::is_duplicate, Some("uq_fills_amends"));
    assert_eq!(db.contents(), before);
}

#[test]
fn of_the_same_order_submitted_at_once_one_is_stored_and_all_are_told_of_it() {
    let db = Database::migrated();
    let blotter = db.blotter();
    let ada = trader(&blotter, "Ada");
    for round in 0..10 {
        let id = format!("C-{round}");
        let new = NewOrder {
            client_order_id: Some(&id),
            ..NewOrder::market(ada.id, Side::Buy, "AAPL", 100)
        };
        let orders: Vec<Order> = at_once(|_| submit(&blotter, &new).unwrap());
        assert!(orders.iter().all(|order| *order == orders[0]));
        assert_eq!(history(&blotter, &orders[0]).log.len(), 1);
    }
    assert_eq!(db.contents().orders.len(), 10);
}

#[test]
fn of_different_orders_submitted_under_one_id_at_once_one_is_stored_and_the_others_refused() {
    let db = Database::migrated();
    let blotter = db.blotter();
    let ada = trader(&blotter, "Ada");
    let results = at_once(|n| {
        let quantity = i32::try_from(n).unwrap() + 1;
        let new = NewOrder {
            client_order_id: Some("C-1"),
            ..NewOrder::market(ada.id, Side::Buy, "AAPL", quantity)
        };
        submit(&blotter, &new)
    });
    let (stored, refused): (Vec<_>, Vec<_>) = results.into_iter().partition(Result::is_ok);
    assert_eq!(stored.len(), 1);
    for error in refused {
        mismatched(&error.unwrap_err(), &["quantity"]);
    }
    assert_eq!(db.contents().orders.len(), 1);
}

#[test]
fn of_the_same_fill_recorded_at_once_one_counts_and_all_are_told_of_it() {
    let (_db, blotter, order) = with_order_of(1000);
    for round in 1..=10 {
        let id = format!("E-{round}");
        let new = NewFill { execution_id: Some(&id), ..fill_of(&order, 10, "10.00") };
        let fills: Vec<Fill> = at_once(|_| record(&blotter, &new).unwrap());
        assert!(fills.iter().all(|fill| *fill == fills[0]));
        assert_eq!(history(&blotter, &order).order.filled_quantity, 10 * round);
    }
}

#[test]
fn of_the_same_bust_recorded_at_once_one_counts_and_all_are_told_of_it() {
    let (_db, blotter, order) = with_order_of(1000);
    for round in 0..10 {
        let fill = record(&blotter, &fill_of(&order, 10, "10.00")).unwrap();
        let id = format!("E-{round}");
        let new = NewBust { amends: fill.id, timestamp: noon(), execution_id: Some(&id) };
        let bust = |_| blotter.engine().transaction(|tx| tx.fills().bust(&new)).unwrap();
        let busts: Vec<Fill> = at_once(bust);
        assert!(busts.iter().all(|bust| *bust == busts[0]));
        assert_eq!(history(&blotter, &order).order.filled_quantity, 0);
    }
}

/// Batches of one client after the other, each on its own connection, with one attempt only, so that a
/// deadlock is not hidden by a retry.
fn batches_at_once<T>(
    db: &Database,
    work: impl Fn(
        &mut tradeblotter::Tx<'_, tradeblotter::role::Engine>,
        usize,
        usize,
    ) -> Result<T, Error>
    + Sync,
) {
    let url = db.login_url("blotter_engine");
    at_once(|client| {
        let mut conn = tradeblotter::connect(&url).unwrap();
        for round in 0..10 {
            let role = tradeblotter::role::Engine;
            tradeblotter::transaction_on(&mut conn, role, |tx| work(tx, client, round).map(drop))
                .unwrap();
        }
    });
}

/// The rows in the order in which this client sends them in this round: rotated, and reversed.
fn turned<T: Clone>(rows: &[T], client: usize, round: usize) -> Vec<T> {
    let mut turned: Vec<_> =
        rows.iter().cycle().skip(client * 7 + round * 3).take(rows.len()).cloned().collect();
    if client.is_multiple_of(2) {
        turned.reverse();
    }
    turned
}

#[test]
fn batches_of_fills_in_any_order_never_meet_in_a_deadlock() {
    let db = Database::migrated();
    let blotter = db.blotter();
    let ada = trader(&blotter, "Ada");
    let new = NewOrder::market(ada.id, Side::Buy, "AAPL", 1_000_000);
    let orders: Vec<_> = (0..10).map(|_| submit(&blotter, &new).unwrap()).collect();
    let ids: Vec<_> = (0..10).map(|n| format!("E-{n}")).collect();
    batches_at_once(&db, |tx, client, round| {
        // Some fills that every client sends in this round, and some that only this client sends.
        let common = ids.iter().map(|id| format!("{id}-{round}"));
        let own = ids.iter().map(|id| format!("{id}-{round}-{client}"));
        let ids: Vec<_> = common.chain(own).collect();
        let fills: Vec<_> = ids
            .iter()
            .zip(orders.iter().cycle())
            .map(|(id, order)| NewFill { execution_id: Some(id), ..fill_of(order, 1, "10.00") })
            .collect();
        tx.fills().record_batch(&turned(&fills, client, round))
    });
    let filled = i32::try_from(TOGETHER + 1).unwrap() * 10;
    for order in &orders {
        assert_eq!(history(&blotter, order).order.filled_quantity, filled);
    }
}

#[test]
fn batches_of_orders_that_replace_others_never_meet_those_of_fills_in_a_deadlock() {
    let db = Database::migrated();
    let blotter = db.blotter();
    let ada = trader(&blotter, "Ada");
    let new = NewOrder::market(ada.id, Side::Buy, "AAPL", 1_000_000);
    let rounds: Vec<Vec<_>> =
        (0..10).map(|_| (0..8).map(|_| submit(&blotter, &new).unwrap()).collect()).collect();
    batches_at_once(&db, |tx, client, round| {
        let orders = turned(&rounds[round], client, round);
        if client.is_multiple_of(2) {
            let ids: Vec<_> = orders.iter().map(|order| format!("{}", order.id)).collect();
            let new: Vec<_> = orders
                .iter()
                .zip(ids.iter())
                .map(|(order, id)| NewOrder {
                    client_order_id: Some(&id[20..]),
                    replaces: Some(order.id),
                    ..new
                })
                .collect();
            return tx.orders().submit_batch(&new).map(drop);
        }
        // Some orders have been ended by a replacement meanwhile; that is an error, but no deadlock.
        let fills: Vec<_> = orders.iter().map(|order| fill_of(order, 1, "10.00")).collect();
        match tx.fills().record_batch(&fills) {
            Err(error) if error.is_illegal_transition() => Ok(()),
            done => done.map(drop),
        }
    });
    assert_eq!(db.contents().orders.len(), 160);
}

#[test]
fn of_a_batch_that_is_refused_nothing_is_kept_though_the_transaction_goes_on() {
    let (db, blotter, order) = with_order_of(100);
    let known = NewFill { execution_id: Some("E-1"), ..fill_of(&order, 10, "10.00") };
    record(&blotter, &known).unwrap();
    let new = NewOrder {
        client_order_id: Some("C-1"),
        ..NewOrder::market(order.trader_id, Side::Buy, "AAPL", 100)
    };
    submit(&blotter, &new).unwrap();
    let before = db.contents();
    blotter
        .engine()
        .transaction(|tx| {
            let other = NewFill { quantity_filled: 11, ..known };
            let error = tx.fills().record_batch(&[fill_of(&order, 1, "10.00"), other]).unwrap_err();
            mismatched(&error, &["quantity"]);
            let other = NewOrder { quantity: 200, ..new };
            let first = NewOrder { client_order_id: None, ..new };
            let error = tx.orders().submit_batch(&[first, other]).unwrap_err();
            mismatched(&error, &["quantity"]);
            Ok::<_, Error>(())
        })
        .unwrap();
    assert_eq!(db.contents(), before);
}

/// Suppresses every insert into a table, as if a conflicting row had existed at the insert and was gone
/// at the lookup.
fn lose_every_race(db: &Database, table: &str) {
    db.admin()
        .batch_execute(&format!(
            "CREATE FUNCTION lose() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
             CREATE TRIGGER zz_lose BEFORE INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION lose()"
        ))
        .unwrap();
}

fn execution_of(order_id: Option<Uuid>) -> Execution<'static> {
    Execution {
        kind: ExecutionKind::Fill,
        order_id,
        timestamp: noon(),
        quantity: 1.into(),
        price: 10.into(),
        venue: "NASDAQ",
        commission: 0.into(),
        rebate: 0.into(),
        source: None,
        trader_id: None,
        client_order_id: None,
        execution_id: Some("E-1"),
        raw: None,
    }
}

#[test]
fn a_lost_race_for_an_order_is_a_conflict_and_not_an_order_that_is_not_found() {
    let (db, blotter, order) = with_order_of(100);
    lose_every_race(&db, "orders");
    let new = NewOrder {
        client_order_id: Some("C-1"),
        ..NewOrder::market(order.trader_id, Side::Buy, "IBM", 1)
    };
    let engine = blotter.engine();
    let single = engine.transaction(|tx| tx.orders().submit(&new)).unwrap_err();
    let batch = engine.transaction(|tx| tx.orders().submit_batch(&[new])).unwrap_err();
    for error in [single, batch] {
        assert!(error.is_conflict() && !error.is_not_found(), "{error}");
    }
}

#[test]
fn a_lost_race_for_a_fill_is_a_conflict_and_no_break_of_an_unknown_order() {
    let (db, blotter, order) = with_order_of(100);
    let fill = record(&blotter, &fill_of(&order, 1, "10.00")).unwrap();
    lose_every_race(&db, "fills");
    let new = NewFill { execution_id: Some("E-1"), ..fill_of(&order, 1, "10.00") };
    let bust = NewBust { amends: fill.id, timestamp: noon(), execution_id: Some("B-1") };
    let engine = blotter.engine();
    let single = engine.transaction(|tx| tx.fills().record(&new)).unwrap_err();
    let batch = engine.transaction(|tx| tx.fills().record_batch(&[new])).unwrap_err();
    let amendment = engine.transaction(|tx| tx.fills().bust(&bust)).unwrap_err();
    let execution = execution_of(Some(order.id));
    let kept = engine.transaction(|tx| tx.breaks().record_or_break(&execution)).unwrap_err();
    for error in [single, batch, amendment, kept] {
        assert!(error.is_conflict() && !error.is_not_found(), "{error}");
    }
    let breaks = engine.transaction(|tx| tx.breaks().recent(&Filter::default(), Page::first(10)));
    assert_eq!(breaks.unwrap().rows, []);
}

#[test]
fn a_lost_race_for_a_break_is_a_conflict() {
    let (db, blotter, _) = with_order_of(100);
    lose_every_race(&db, "breaks");
    let unknown = execution_of(None);
    let engine = blotter.engine();
    let error = engine.transaction(|tx| tx.breaks().record_or_break(&unknown)).unwrap_err();
    assert!(error.is_conflict() && !error.is_not_found(), "{error}");
}
