//! The figures of operation: they are those of the rows, and what a role may not see is none.

use chrono::{TimeDelta, Utc};
use tradeblotter::audit::{SealKey, SealState};
use tradeblotter::role::Role;
use tradeblotter::status::Status;
use tradeblotter::{
    BreakReason, Execution, ExecutionKind, NewBreakResolution, NewFill, NewOrder, Order, Session,
    Side,
};

use crate::seals::seal;
use tradeblotter_test_support::{Database, fill_of, noon, record, submit, trader};

/// A fill of an order, as it is reported.
fn execution(order: &Order, quantity: i32) -> Execution<'static> {
    Execution {
        kind: ExecutionKind::Fill,
        order_id: Some(order.id),
        trader_id: None,
        client_order_id: None,
        timestamp: noon(),
        quantity: quantity.into(),
        price: 10.into(),
        venue: "XNAS",
        commission: 0.into(),
        rebate: 0.into(),
        source: None,
        execution_id: Some("E-0"),
        raw: None,
    }
}

fn status<R: Role>(session: &Session<R>) -> Status {
    session.status().unwrap()
}

#[test]
fn an_empty_store_has_no_figures_but_zeros() {
    let db = Database::migrated();
    let empty = status(&db.blotter().compliance());
    assert_eq!((empty.newest_entry, empty.ingest_lag_seconds), (None, None));
    assert_eq!((empty.open_orders, empty.entries_per_second), (0, 0.0));
    assert_eq!(empty.open_breaks, []);
    let seals = SealState { last: None, unsealed: 0, oldest_unsealed: None };
    assert_eq!(empty.seals, Some(seals));
    assert_eq!((empty.oldest_break_age(), empty.unsealed_age()), (None, None));
    assert_eq!(empty.connection.role, "blotter_compliance");
    assert_eq!((empty.connection.is_standby, empty.connection.replay_lag_seconds), (false, None));
}

#[test]
fn each_role_has_the_figures_of_the_rows_that_it_sees() {
    let db = Database::migrated();
    let store = db.blotter();
    let [ada, grace] = ["Ada", "Grace"].map(|name| trader(&store, name).id);
    let orders = [ada, ada, grace]
        .map(|trader| submit(&store, &NewOrder::market(trader, Side::Buy, "AAPL", 100)).unwrap());
    // 90 seconds after it was executed.
    let timestamp = Utc::now() - TimeDelta::seconds(90);
    record(&store, &NewFill { timestamp, ..fill_of(&orders[0], 100, "10.00") }).unwrap();
    record(&store, &NewFill { timestamp, ..fill_of(&orders[1], 10, "10.00") }).unwrap();
    // One break of Grace's order is open, one is resolved, and one names no order.
    let over = |id| Execution { execution_id: Some(id), ..execution(&orders[2], 101) };
    let break_all = |executions: &[Execution<'_>]| {
        store.engine().transaction(|tx| tx.breaks().record_batch_or_break(executions)).unwrap()
    };
    let unknown = Execution {
        order_id: None,
        client_order_id: Some("nobody-knows"),
        ..execution(&orders[2], 1)
    };
    break_all(&[over("E-1"), over("E-2"), unknown]);
    let open = store
        .compliance()
        .snapshot(|tx| tx.breaks().open(&Default::default(), tradeblotter::Page::first(10)));
    let resolved = open
        .unwrap()
        .rows
        .into_iter()
        .find(|it| it.reported.execution_id.as_deref() == Some("E-2"));
    let dismissal = NewBreakResolution::dismiss(resolved.unwrap().reported.id, "busted");
    store.engine().transaction(|tx| tx.breaks().resolve(&dismissal)).unwrap();

    let entries: i64 = 3 + 2 + 3;
    let reasons = |status: &Status| -> Vec<_> {
        status.open_breaks.iter().map(|it| (it.reason, it.count)).collect()
    };
    for all in [status(&store.compliance()), status(&store.engine()), status(&store.auditor())] {
        assert_eq!((all.open_orders, all.count_open_breaks()), (2, 2));
        assert_eq!(reasons(&all), [(BreakReason::UnknownOrder, 1), (BreakReason::OverFill, 1)]);
        assert!((all.entries_per_second - entries as f64 / 60.0).abs() < 1e-9, "{all:?}");
        let lag = all.ingest_lag_seconds.unwrap();
        assert!((90.0..150.0).contains(&lag), "{lag}");
        assert!(all.oldest_break_age().unwrap() < TimeDelta::seconds(60));
        let sees_seals = all.connection.role != "blotter_engine";
        assert_eq!(all.seals.is_some(), sees_seals);
        // The entries, the breaks, the resolution and the traders.
        let unsealed = all.seals.map(|seals| seals.unsealed);
        assert_eq!(unsealed, sees_seals.then_some(entries as u64 + 3 + 1 + 2));
    }
    let adas = status(&store.trader(ada).unwrap());
    assert_eq!((adas.open_orders, adas.count_open_breaks(), &adas.seals), (1, 0, &None));
    assert!((adas.entries_per_second - 4.0 / 60.0).abs() < 1e-9);
    let graces = status(&store.trader(grace).unwrap());
    assert_eq!((graces.open_orders, reasons(&graces)), (1, vec![(BreakReason::OverFill, 1)]));
    assert_eq!(graces.ingest_lag_seconds, None);
    let newest = |status: &Status| status.newest_entry.unwrap().sequence;
    assert!(newest(&graces) > newest(&adas));
}

#[test]
fn what_is_sealed_is_no_more_unsealed_and_the_last_seal_is_told() {
    let db = Database::migrated();
    let store = db.blotter();
    let ada = trader(&store, "Ada").id;
    let new = NewOrder::market(ada, Side::Buy, "AAPL", 100);
    submit(&store, &new).unwrap();
    let seals = |session: &Session<_>| status(session).seals.unwrap();
    let officer = store.compliance();
    let before = seals(&officer);
    assert_eq!((before.last, before.unsealed), (None, 2));
    let key = SealKey::generate().unwrap();
    let made = seal(&store.auditor(), &key).unwrap();
    let after = seals(&officer);
    let last = after.last.unwrap();
    assert_eq!((last.id, last.size, last.sealed_at), (1, 2, made.sealed_at));
    assert_eq!((after.unsealed, after.oldest_unsealed), (0, None));
    let order = submit(&store, &new).unwrap();
    let later = seals(&officer);
    assert_eq!((later.unsealed, later.oldest_unsealed), (1, Some(order.created_at)));
}

#[test]
fn entries_of_more_than_a_page_of_numbers_are_counted() {
    let db = Database::migrated();
    let store = db.blotter();
    let ada = trader(&store, "Ada").id;
    let new = NewOrder::market(ada, Side::Buy, "AAPL", 100);
    for (batches, expected) in [(1, 300.0), (3, 1200.0)] {
        for _ in 0..batches {
            store.engine().transaction(|tx| tx.orders().submit_batch(&[new; 300])).unwrap();
        }
        for session in [store.compliance().reader(), store.trader(ada).unwrap().reader()] {
            let rate = status(&session).entries_per_second;
            assert!((rate - expected / 60.0).abs() < 1e-9, "{rate}");
        }
    }
}
