//! What a backend does with a desk, on one that Citus holds.

use chrono::Utc;
use tradeblotter::audit::{SealKey, SealOptions, VerifyOptions};
use tradeblotter::ingest::{Options, Reader, Writer};
use tradeblotter::{
    Blotter, Commission, Desk, Ended, Error, Execution, ExecutionKind, Filter, NewAction,
    NewBreakResolution, NewBust, NewCorrection, NewExecutionLog, NewOrder, OrderStatus, Outcome,
    Page, Side, TailFrom, catalog,
};
use tradeblotter_test_support::cluster::Cluster;
use tradeblotter_test_support::{
    DAY, EXECUTED, append, assert_refused, fill_of, fix_by_account, history, noon, price, record,
    submit, trader,
};
use uuid::Uuid;

pub fn orders_fills_and_actions_are_derived_and_refused_as_on_one_server(cluster: &Cluster) {
    let desk = cluster.desk();
    let store = cluster.store(&desk);
    let engine = store.engine();
    let ada = trader(&store, "Ada");
    let new = NewOrder::limit(ada.id, Side::Buy, "AAPL", 100, price("10.50"));
    let order = submit(&store, &new).unwrap();
    append(&store, &NewExecutionLog::new(order.id, EXECUTED)).unwrap();
    let fill = record(&store, &fill_of(&order, 40, "10.45")).unwrap();
    record(&store, &fill_of(&order, 60, "10.49")).unwrap();
    let filled = history(&store, &order);
    assert_eq!(filled.order.status, OrderStatus::Filled);
    assert_eq!(filled.order.average_fill_price.unwrap().to_string(), "10.47");
    assert_eq!(filled.log.len(), 4);
    assert!(filled.log.windows(2).all(|pair| pair[0].timestamp < pair[1].timestamp));

    // Refusals, with the names of the rules that a shard gives another name.
    let over = record(&store, &fill_of(&order, 1, "10.45")).unwrap_err();
    assert_refused(&over, Error::is_illegal_transition, Some("orders_transition"));
    let open = submit(&store, &new).unwrap();
    let over = record(&store, &fill_of(&open, 101, "10.45")).unwrap_err();
    assert!(over.is_over_fill(), "{over}");
    let unknown = NewOrder::market(Uuid::from_u128(1), Side::Buy, "AAPL", 100);
    let unknown = engine.transaction(|tx| tx.orders().submit(&unknown)).unwrap_err();
    assert_eq!(unknown.constraint(), Some("fk_orders_trader_id"), "{unknown:?}");
    assert!(unknown.to_string().contains("register the trader first"), "{unknown}");

    let bust = NewBust { amends: fill.id, timestamp: noon(), execution_id: None };
    engine.transaction(|tx| tx.fills().bust(&bust)).unwrap();
    assert_eq!(history(&store, &order).order.status, OrderStatus::Partial);
    let fill = record(&store, &fill_of(&open, 10, "10.00")).unwrap();
    let correction = NewCorrection {
        amends: fill.id,
        timestamp: noon(),
        quantity_filled: 20,
        price_at_fill: price("10.02"),
        commission: "0.50".parse().unwrap(),
        rebate: Commission::default(),
        execution_id: None,
    };
    engine.transaction(|tx| tx.fills().correct(&correction)).unwrap();
    assert_eq!(history(&store, &open).order.filled_quantity, 20);

    let replacement = NewOrder { replaces: Some(open.id), ..new };
    let replacement = submit(&store, &replacement).unwrap();
    assert_eq!(history(&store, &open).order.status, OrderStatus::Cancelled);
    let session = store.trader(ada.id).unwrap();
    session.transaction(|tx| tx.execution_logs().cancel(replacement.id, None)).unwrap();
    let recovered = NewAction::Recovered {
        retry_attempt: None,
        error_code: None,
        ended: Some(Ended::Rejected),
    };
    let missed = submit(&store, &new).unwrap();
    append(&store, &NewExecutionLog::new(missed.id, recovered)).unwrap();
    assert_eq!(history(&store, &missed).order.status, OrderStatus::Rejected);
    let due = NewOrder { expires_at: Some(noon()), ..new };
    let due = submit(&store, &due).unwrap();
    let expired = engine.transaction(|tx| tx.orders().expire_due(Utc::now(), 10)).unwrap();
    assert_eq!(expired, [due.id]);
    let rebuilt = engine.transaction(|tx| tx.orders().rebuild(None)).unwrap();
    assert_eq!(rebuilt.differing.len(), 0);
}

pub fn breaks_are_kept_and_resolved(cluster: &Cluster) {
    let desk = cluster.desk();
    let store = cluster.store(&desk);
    let engine = store.engine();
    let ada = trader(&store, "Ada");
    let order = submit(&store, &NewOrder::market(ada.id, Side::Buy, "AAPL", 100)).unwrap();
    let late = |id| Execution {
        kind: ExecutionKind::Fill,
        order_id: Some(order.id),
        trader_id: None,
        client_order_id: None,
        timestamp: noon(),
        quantity: 150.into(),
        price: 10.into(),
        venue: "XNAS",
        commission: 0.into(),
        rebate: 0.into(),
        source: None,
        execution_id: Some(id),
        raw: None,
    };
    let mut kept = Vec::new();
    for id in ["E-1", "E-2"] {
        match engine.transaction(|tx| tx.breaks().record_or_break(&late(id))).unwrap() {
            Outcome::Broken(broken) => kept.push(broken),
            other => panic!("{other:?}"),
        }
    }
    let open = engine.transaction(|tx| tx.breaks().count_open()).unwrap();
    assert_eq!(open, 2);
    let dismissed = NewBreakResolution::dismiss(kept[0].id, "not ours");
    engine.transaction(|tx| tx.breaks().resolve(&dismissed)).unwrap();
    let booked = NewBreakResolution::book(kept[1].id, "of our order");
    let refused = engine.transaction(|tx| tx.breaks().resolve(&booked)).unwrap_err();
    assert!(refused.is_over_fill(), "{refused}");
    assert_eq!(engine.transaction(|tx| tx.breaks().count_open()).unwrap(), 1);
}

pub fn a_batch_is_written_at_once(cluster: &Cluster) {
    let desk = cluster.desk();
    let store = cluster.store(&desk);
    let engine = store.engine();
    let ada = trader(&store, "Ada");
    let new: Vec<_> =
        (1..=50).map(|shares| NewOrder::market(ada.id, Side::Buy, "AAPL", shares)).collect();
    let orders = engine.transaction(|tx| tx.orders().submit_batch(&new)).unwrap();
    let fills: Vec<_> =
        orders.iter().map(|order| fill_of(order, order.quantity, "10.45")).collect();
    assert_eq!(engine.transaction(|tx| tx.fills().record_batch(&fills)).unwrap().len(), 50);
    let rebuilt = engine.transaction(|tx| tx.orders().rebuild(None)).unwrap();
    assert_eq!(rebuilt.differing.len(), 0);
    let rows = Desk::rows(&mut cluster.admin_of(&desk)).unwrap();
    assert_eq!((rows.orders, rows.fills, rows.entries), (50, 50, 100));
}

/// Ingests the bundled day.
fn ingest(store: &Blotter) {
    let engine = store.engine();
    let mut reader = Reader::new(DAY, fix_by_account());
    let mut writer = Writer::new(Options { register_traders: true, ..Options::default() });
    while let Some(batch) = reader.batch(2000).unwrap() {
        writer.write(&engine, &batch.events).unwrap();
    }
    writer.finish(&engine).unwrap();
}

pub fn a_day_is_ingested_as_on_one_server(cluster: &Cluster) {
    let [plain, held] = [cluster.add_desk(), cluster.desk()];
    for desk in [&plain, &held] {
        ingest(&cluster.store(desk));
    }
    let rows = Desk::rows(&mut cluster.admin_of(&held)).unwrap();
    assert_eq!(rows, Desk::rows(&mut plain.connect(&cluster.admin_url(0)).unwrap()).unwrap());
    assert!(rows.fills > 0);
    // Read again, it changes nothing.
    ingest(&cluster.store(&held));
    assert_eq!(rows, Desk::rows(&mut cluster.admin_of(&held)).unwrap());
    assert_eq!(catalog::differences(&mut cluster.admin_of(&held)).unwrap(), []);
}

pub fn the_log_is_sealed_verified_and_reported(cluster: &Cluster) {
    let desk = cluster.desk();
    let store = cluster.store(&desk);
    ingest(&store);
    let key = SealKey::generate().unwrap();
    let auditor = store.auditor();
    let outcome = auditor.transaction(|tx| tx.seals().seal(&key, &SealOptions::default())).unwrap();
    assert!(outcome.seal.is_some());
    let mut findings = Vec::new();
    let verified = store
        .compliance()
        .snapshot(|tx| {
            tx.seals().verify(&VerifyOptions::default(), |it| findings.push(format!("{it:?}")))
        })
        .unwrap();
    assert_eq!((verified.findings, verified.unsealed_numbers), (0, None), "{findings:?}");
    let log = store
        .compliance()
        .snapshot(|tx| tx.execution_logs().trail(&Filter::default(), Page::first(5)))
        .unwrap();
    let mut tail = store.compliance().tail(TailFrom::Start, Filter::default()).unwrap();
    let followed: Vec<_> = tail.poll().unwrap().iter().take(5).map(|it| it.id).collect();
    assert_eq!(followed, log.rows.iter().map(|it| it.id).collect::<Vec<_>>());
}
