//! Rebuilds orders from their fills and log entries: as of a moment, and to compare them with the stored
//! rows.

use diesel::connection::SimpleConnection;
use tradeblotter::{
    Blotter, DifferingOrder, Error, NewAction, NewBust, NewExecutionLog, NewFill, NewOrder, Order,
    Side,
};
use uuid::Uuid;

use tradeblotter_test_support::{
    Database, append, assert_refused, fill_of, history, noon, record, submit, trader, with_order_of,
};

fn as_of(
    blotter: &Blotter,
    order: &Order,
    at: chrono::DateTime<chrono::Utc>,
) -> Result<Order, Error> {
    let session = blotter.trader(order.trader_id).unwrap();
    session.snapshot(|tx| tx.orders().as_of(order.id, at))
}

fn differing(blotter: &Blotter) -> Vec<DifferingOrder> {
    let mut found = Vec::new();
    let mut after = None;
    loop {
        let rebuilt = blotter.compliance().snapshot(|tx| tx.orders().rebuild(after)).unwrap();
        found.extend(rebuilt.differing);
        after = rebuilt.next;
        if after.is_none() {
            return found;
        }
    }
}

/// An order with every kind of action, and its state after each of them.
fn eventful(blotter: &Blotter, trader: Uuid) -> Vec<Order> {
    let order = submit(blotter, &NewOrder::market(trader, Side::Buy, "AAPL", 100)).unwrap();
    let stands = || history(blotter, &order).order;
    let mut stages = vec![order.clone()];
    let log = |new: &NewExecutionLog<'_>| append(blotter, new).map(drop).unwrap();
    log(&NewExecutionLog::new(order.id, NewAction::Approved));
    stages.push(stands());
    log(&NewExecutionLog::new(order.id, NewAction::Executed { venue_order_id: Some("V-1") }));
    stages.push(stands());
    let fill = record(blotter, &fill_of(&order, 33, "10.01")).unwrap();
    stages.push(stands());
    record(blotter, &fill_of(&order, 67, "10.02")).unwrap();
    stages.push(stands());
    let bust = NewBust { amends: fill.id, timestamp: noon(), execution_id: None };
    blotter.engine().transaction(|tx| tx.fills().bust(&bust)).unwrap();
    stages.push(stands());
    let ended = Some(tradeblotter::Ended::Cancelled);
    let recovered = NewAction::Recovered { retry_attempt: None, error_code: None, ended };
    log(&NewExecutionLog::new(order.id, recovered));
    stages.push(stands());
    stages
}

#[test]
fn as_of_returns_the_order_after_each_of_its_log_entries() {
    let db = Database::migrated();
    let blotter = db.blotter();
    let ada = trader(&blotter, "Ada");
    let stages = eventful(&blotter, ada.id);
    let order = stages.last().unwrap();
    let log = history(&blotter, order).log;
    assert_eq!(log.len(), stages.len());
    let just_before = chrono::TimeDelta::microseconds(1);
    for (entry, stage) in log.iter().zip(&stages) {
        assert_eq!(as_of(&blotter, order, entry.timestamp).unwrap(), *stage);
    }
    for (entry, stage) in log.iter().skip(1).zip(&stages) {
        assert_eq!(as_of(&blotter, order, entry.timestamp - just_before).unwrap(), *stage);
    }
    let later = order.updated_at + chrono::TimeDelta::days(365);
    assert_eq!(as_of(&blotter, order, later).unwrap(), *order);
    let error = as_of(&blotter, order, order.created_at - just_before).unwrap_err();
    assert_refused(&error, Error::is_not_found, None);

    let grace = trader(&blotter, "Grace");
    let hidden = blotter.trader(grace.id).unwrap();
    let error = hidden.snapshot(|tx| tx.orders().as_of(order.id, later)).unwrap_err();
    assert_refused(&error, Error::is_not_found, None);
}

#[test]
fn orders_rebuilt_from_fills_and_log_equal_the_stored_orders() {
    let db = Database::migrated();
    let blotter = db.blotter();
    let ada = trader(&blotter, "Ada");
    // More than one page of them.
    let new = NewOrder::market(ada.id, Side::Buy, "AAPL", 100);
    let many = vec![new; 1100];
    blotter.engine().transaction(|tx| tx.orders().submit_batch(&many)).unwrap();
    eventful(&blotter, ada.id);
    assert_eq!(differing(&blotter), []);
}

#[test]
fn rebuild_reports_every_value_that_was_forged_without_the_guards() {
    let forgeries = [
        ("UPDATE orders SET status = 'FILLED'", "status"),
        ("UPDATE orders SET filled_quantity = 51", "filled quantity"),
        ("UPDATE orders SET filled_notional = 500.01", "filled notional"),
        ("UPDATE orders SET average_fill_price = 10.01", "average fill price"),
        ("UPDATE orders SET venue_order_id = 'V-2'", "venue order id"),
        ("UPDATE fills SET quantity_filled = 49", "filled quantity"),
        ("UPDATE fills SET price_at_fill = 10.01", "filled notional"),
        ("DELETE FROM fills", "fill of a log entry"),
        ("DELETE FROM execution_logs WHERE action = 'FILLED'", "log entry of a fill"),
        (
            "UPDATE execution_logs SET status = 'FILLED' WHERE action = 'FILLED'",
            "status after an action",
        ),
        (
            "INSERT INTO fills (order_id, trader_id, quantity_filled, price_at_fill, venue)
             SELECT id, trader_id, 10, 10, 'X' FROM orders",
            "log entry of a fill",
        ),
        (
            "INSERT INTO execution_logs (order_id, trader_id, action)
             SELECT id, trader_id, 'CANCELLED' FROM orders",
            "status",
        ),
    ];
    for (forgery, field) in forgeries {
        let (db, blotter, order) = with_order_of(100);
        trader(&blotter, "Grace");
        record(&blotter, &NewFill { venue: "NYSE", ..fill_of(&order, 50, "10.00") }).unwrap();
        assert_eq!(differing(&blotter), []);
        db.unguarded().batch_execute(forgery).unwrap();
        let found = differing(&blotter);
        assert_eq!(found.len(), 1, "{forgery}");
        assert_eq!(found[0].order_id, order.id);
        let fields: Vec<_> = found[0].differences.iter().map(|d| d.field).collect();
        assert!(fields.contains(&field), "{forgery}: {fields:?}");
    }
}
