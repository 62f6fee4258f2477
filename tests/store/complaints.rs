//! The most common complaints about order stores, each shown to be impossible here.

use std::panic::{AssertUnwindSafe, catch_unwind};

use bigdecimal::BigDecimal;
use tradeblotter::{
    Action, Ended, Error, NewAction, NewExecutionLog, NewFill, NewOrder, Order, OrderStatus, Side,
};

use tradeblotter_test_support::{
    Database, REJECTED, append, fill_of, history, noon, price, record, submit, trader,
    with_order_of,
};

/// The execution ids of a day at one venue.
fn execution_ids(count: usize) -> Vec<String> {
    (1..=count).map(|n| format!("E-{n}")).collect()
}

#[test]
fn fills_are_not_double_counted_after_a_restart() {
    let (db, blotter, order) = with_order_of(100);
    let ids = execution_ids(4);
    let fills: Vec<_> = ids
        .iter()
        .map(|id| NewFill { execution_id: Some(id), ..fill_of(&order, 25, "10.00") })
        .collect();
    for fill in &fills[..3] {
        record(&blotter, fill).unwrap();
    }
    drop(blotter);

    // A restarted backend does not know what was stored, and sends everything again; then it does so a
    // second time.
    let again = db.blotter();
    for fill in fills.iter().chain(&fills) {
        record(&again, fill).unwrap();
    }
    let history = history(&again, &order);
    assert_eq!((history.order.status, history.order.filled_quantity), (OrderStatus::Filled, 100));
    assert_eq!(history.fills.len(), 4);
    let filled = history.log.iter().filter(|entry| entry.action == Action::Filled);
    assert_eq!(filled.count(), 4);
}

#[test]
fn no_fill_is_lost_because_a_duplicate_key_aborted_the_write() {
    let (_db, blotter, order) = with_order_of(100);
    let ids = execution_ids(5);
    let fill = |n: usize| NewFill { execution_id: Some(&ids[n]), ..fill_of(&order, 10, "10.00") };
    record(&blotter, &fill(1)).unwrap();
    record(&blotter, &fill(3)).unwrap();

    // Duplicates among new fills, one by one in one transaction and in a batch.
    blotter
        .engine()
        .transaction(|tx| {
            let mut fills = tx.fills();
            [0, 1, 2].into_iter().try_for_each(|n| fills.record(&fill(n)).map(drop))
        })
        .unwrap();
    let batch: Vec<_> = (0..5).map(fill).collect();
    let stored = blotter.engine().transaction(|tx| tx.fills().record_batch(&batch)).unwrap();
    let stored: Vec<_> = stored.into_iter().map(|fill| fill.execution_id.unwrap()).collect();
    assert_eq!(stored, ids);
    let history = history(&blotter, &order);
    assert_eq!((history.fills.len(), history.order.filled_quantity), (5, 50));
}

#[test]
fn no_fill_is_lost_because_its_deduplication_key_was_saved_first() {
    let (db, blotter, order) = with_order_of(100);
    let fill = NewFill { execution_id: Some("E-1"), ..fill_of(&order, 10, "10.00") };
    let before = db.contents();
    // A fill is recorded and the transaction then fails: by a refusal, a panic, or a lost connection.
    let refused = blotter.engine().transaction(|tx| {
        tx.fills().record(&fill)?;
        tx.fills().record(&fill_of(&order, 91, "10.00"))
    });
    assert!(refused.unwrap_err().is_over_fill());
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        blotter.engine().transaction(|tx| {
            tx.fills().record(&fill)?;
            if tx.orders().get(order.id)?.filled_quantity == 10 {
                panic!("on purpose");
            }
            Ok::<_, Error>(())
        })
    }));
    panicked.unwrap_err();
    let lost = blotter.engine().transaction(|tx| {
        tx.fills().record(&fill)?;
        let own = diesel::sql_query("SELECT pg_terminate_backend(pg_backend_pid())");
        Ok::<_, Error>(diesel::RunQueryDsl::execute(own, tx.connection())?)
    });
    assert!(lost.is_err());
    assert_eq!(db.contents(), before);

    // The idempotency key is stored in the fill itself, so nothing blocks the fill after the rollback.
    record(&blotter, &fill).unwrap();
    assert_eq!(history(&blotter, &order).order.filled_quantity, 10);
}

#[test]
fn averages_do_not_drift() {
    let (_db, blotter, order) = with_order_of(3000);
    // Thirds: an average that is rounded at every fill would be off by cents in the end.
    let fills: Vec<_> =
        (0..3000).map(|n| fill_of(&order, 1, if n % 3 == 0 { "10.01" } else { "10.00" })).collect();
    for part in fills.chunks(750) {
        blotter.engine().transaction(|tx| tx.fills().record_batch(part)).unwrap();
    }
    let order = history(&blotter, &order).order;
    assert_eq!(order.filled_notional, "30010".parse::<BigDecimal>().unwrap());
    assert_eq!(order.average_fill_price, Some(price("10.00")));
}

#[test]
fn orders_do_not_stay_stuck_open() {
    let db = Database::migrated();
    let blotter = db.blotter();
    let ada = trader(&blotter, "Ada");
    let market = NewOrder::market(ada.id, Side::Buy, "AAPL", 100);
    let open = || submit(&blotter, &market).unwrap();
    let status = |order: &Order| history(&blotter, order).order.status;

    // FILLED, although the last two fills are recorded at the same time.
    let order = open();
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| record(&blotter, &fill_of(&order, 50, "10.00")).unwrap());
        }
    });
    assert_eq!(status(&order), OrderStatus::Filled);

    // Expired.
    let expires_at = Some(noon());
    let order = submit(&blotter, &NewOrder { expires_at, ..market }).unwrap();
    let due = |tx: &mut tradeblotter::Tx<'_, _>| tx.orders().expire_due(noon(), 10);
    assert_eq!(blotter.engine().transaction(due).unwrap(), [order.id]);
    assert_eq!(status(&order), OrderStatus::Cancelled);

    // Ended by a replacement.
    let order = open();
    let replacement = submit(&blotter, &NewOrder { replaces: Some(order.id), ..market }).unwrap();
    assert_eq!(status(&order), OrderStatus::Cancelled);

    // The end of the order was missed, and a reconciliation found it.
    for ended in [Ended::Cancelled, Ended::Rejected] {
        let order = open();
        let recovered =
            NewAction::Recovered { retry_attempt: None, error_code: None, ended: Some(ended) };
        let repair = NewExecutionLog {
            reason: Some("missing at the venue"),
            ..NewExecutionLog::new(order.id, recovered)
        };
        append(&blotter, &repair).unwrap();
        assert_eq!(status(&order), ended.into());
    }

    // An open order can always be ended.
    for ended in [NewAction::Cancelled, REJECTED] {
        let order = open();
        record(&blotter, &fill_of(&order, 1, "10.00")).unwrap();
        append(&blotter, &NewExecutionLog::new(order.id, ended)).unwrap();
        assert!(!status(&order).is_open());
    }
    let page = tradeblotter::Page::first(10);
    let open = blotter.engine().transaction(|tx| tx.orders().open(ada.id, page)).unwrap();
    assert_eq!(open.rows, [replacement]);
}
