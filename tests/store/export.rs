//! Export and import: the exported events make the same orders, fills and actions in another store.

use tradeblotter::ingest::{
    AnyFormat, Csv, Event, FormatName, Ndjson, Options, ReadOptions, Reader, Writer, export,
};
use tradeblotter::{
    Error, Execution, ExecutionKind, ExecutionLog, Filter, Instructions, NewAction, NewBust,
    NewExecutionLog, NewFill, NewOrder, Side, TimeInForce,
};

use tradeblotter_test_support::{
    Contents, Database, append, fill_of, fix_by_account, noon, price, record, submit, trader,
};

const DAY: &[u8] = include_bytes!("../../cli/data/day.fix");

fn options() -> Options {
    Options { register_traders: true, ..Options::default() }
}

fn exported(db: &Database, name: FormatName) -> Vec<u8> {
    let mut written = Vec::new();
    if name == FormatName::Csv {
        Csv::write_header(&mut written).unwrap();
    }
    let engine = db.blotter().engine();
    engine
        .snapshot(|tx| {
            export(tx, &Filter::default(), |event: &Event<'_>| {
                match name {
                    FormatName::Csv => Csv::write(event, &mut written).unwrap(),
                    _ => Ndjson::write(event, &mut written).unwrap(),
                }
                Ok::<_, Error>(())
            })
        })
        .unwrap();
    written
}

fn ingested(db: &Database, input: &[u8], name: FormatName) {
    let engine = db.blotter().engine();
    let mut reader = Reader::new(input, AnyFormat::new(name, &ReadOptions::default()));
    let mut writer = Writer::new(options());
    while let Some(batch) = reader.batch(100).unwrap() {
        assert_eq!(batch.malformed, []);
        writer.write(&engine, &batch.events).unwrap();
    }
    writer.finish(&engine).unwrap();
}

/// The contents of the store without times of recording, logins, and ids of amendments and breaks.
fn same(contents: &Contents) -> Vec<String> {
    let mut said: Vec<String> =
        contents.traders.iter().map(|trader| format!("{} {}", trader.id, trader.name)).collect();
    said.extend(contents.orders.iter().map(|order| {
        let mut order = order.clone();
        (order.created_at, order.updated_at) = (noon(), noon());
        format!("{order:?}")
    }));
    said.extend(contents.fills.iter().map(|fill| {
        let mut fill = fill.clone();
        fill.created_at = noon();
        let amended = contents.fills.iter().find(|of| Some(of.id) == fill.amends);
        let amended = amended.map(|of| of.execution_id.clone());
        if fill.amends.take().is_some() | fill.break_id.take().is_some() {
            fill.id = uuid::Uuid::nil();
        }
        format!("{fill:?} {amended:?}")
    }));
    let mut log: Vec<&ExecutionLog> =
        contents.log.iter().filter(|entry| entry.break_id.is_none()).collect();
    log.sort_by_key(|entry| (entry.order_id, entry.sequence));
    said.extend(log.into_iter().map(|entry| {
        let about_fill = entry.fill_id.is_some();
        format!(
            "{} {} {:?} {:?} {:?} {:?} {:?} {:?}",
            entry.order_id,
            entry.action,
            entry.status,
            entry.reason.as_ref().filter(|_| !about_fill),
            entry.retry_attempt,
            entry.error_code,
            entry.venue_order_id,
            entry.reported_at,
        )
    }));
    said.sort();
    said
}

/// The breaks as they were reported.
fn same_breaks(contents: &Contents) -> Vec<String> {
    let mut said: Vec<_> = contents
        .breaks
        .iter()
        .map(|broken| {
            format!(
                "{:?} {} {:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?}",
                broken.order_id,
                broken.reason,
                broken.client_order_id,
                broken.venue,
                broken.source,
                broken.execution_id,
                broken.refers_to,
                broken.timestamp,
                broken.quantity,
                broken.price,
                broken.commission,
                broken.rebate,
            )
        })
        .collect();
    said.sort();
    said
}

#[test]
fn what_is_exported_makes_the_same_database_and_changes_nothing_the_second_time() {
    let db = Database::migrated();
    let blotter = db.blotter();
    let ada = trader(&blotter, "Ada");
    let market = |quantity| NewOrder::market(ada.id, Side::Sell, "AAPL", quantity);
    let instructions = [("18", "G"), ("note", "a \"quoted\", π\n")];
    let instructions: Instructions = instructions.into_iter().collect();
    let guarded = NewOrder {
        client_order_id: Some("C-1"),
        trading_day: Some(noon().date_naive()),
        account: Some("A-100"),
        time_in_force: Some(TimeInForce::Gtd),
        limit_price: Some(price("10.60")),
        currency: Some("USD"),
        received_at: Some(noon()),
        instructions: Some(&instructions),
        stop_loss: Some(price("9.00")),
        expires_at: Some(noon()),
        ..NewOrder::stop(ada.id, Side::Buy, "MSFT", 100, price("10.50"))
    };
    let orders: Vec<_> = [market(100), guarded, market(50), market(10)]
        .map(|new| submit(&blotter, &new).unwrap())
        .into();
    append(&blotter, &NewExecutionLog::new(orders[0].id, NewAction::Approved)).unwrap();
    let taken = NewExecutionLog {
        reported_at: Some(noon()),
        ..NewExecutionLog::new(orders[0].id, NewAction::Executed { venue_order_id: Some("V-1") })
    };
    append(&blotter, &taken).unwrap();
    let unnamed = record(&blotter, &fill_of(&orders[0], 40, "10.01")).unwrap();
    let paid = NewFill {
        rebate: "0.03".parse().unwrap(),
        source: Some("BROKER"),
        execution_id: Some("E-1"),
        ..fill_of(&orders[0], 40, "10.02")
    };
    record(&blotter, &paid).unwrap();
    let bust = NewBust { amends: unnamed.id, timestamp: noon(), execution_id: Some("B-1") };
    let engine = blotter.engine();
    engine.transaction(|tx| tx.fills().bust(&bust)).unwrap();
    let replacing = NewOrder { replaces: Some(orders[0].id), ..market(60) };
    submit(&blotter, &replacing).unwrap();
    engine.transaction(|tx| tx.orders().expire_due(noon(), 10)).unwrap();
    let refused = NewExecutionLog {
        reason: Some("no such symbol"),
        ..NewExecutionLog::new(orders[2].id, NewAction::Rejected { error_code: Some("103=1") })
    };
    append(&blotter, &refused).unwrap();
    let retry = NewAction::Recovered { retry_attempt: Some(2), error_code: None, ended: None };
    let retried = NewExecutionLog::new(orders[3].id, retry);
    append(&blotter, &retried).unwrap();
    let too_many = Execution {
        kind: ExecutionKind::Fill,
        order_id: Some(orders[3].id),
        trader_id: None,
        client_order_id: Some("C-2"),
        timestamp: noon(),
        quantity: 1000.into(),
        price: "10.5".parse().unwrap(),
        venue: "NASDAQ",
        commission: "0.1".parse().unwrap(),
        rebate: "0.02".parse().unwrap(),
        source: Some("BROKER"),
        execution_id: Some("E-2"),
        raw: None,
    };
    engine.transaction(|tx| tx.breaks().record_or_break(&too_many)).unwrap();

    for name in [FormatName::Ndjson, FormatName::Csv] {
        let again = Database::migrated();
        let events = exported(&db, name);
        ingested(&again, &events, name);
        assert_eq!(same(&again.contents()), same(&db.contents()), "{name}");
        assert_eq!(same_breaks(&again.contents()), same_breaks(&db.contents()), "{name}");
        let before = again.contents();
        ingested(&again, &events, name);
        assert_eq!(again.contents(), before, "{name}");
        let before = db.contents();
        ingested(&db, &events, name);
        assert_eq!(db.contents(), before, "{name}");
    }
}

#[test]
fn the_same_execution_id_of_two_sources_is_two_fills_and_pence_are_no_currency_of_an_order() {
    let db = Database::migrated();
    let order = r#"{"kind":"new_order","trader":"Ada","client_order_id":"C-1","symbol":"VOD","side":"BUY","order_type":"LIMIT","quantity":"100","price":"10.50","currency":"GBp"}"#;
    let fill = |source: &str| {
        format!(
            r#"{{"kind":"fill","trader":"Ada","client_order_id":"C-1","execution_id":"E-1","venue":"XLON","source":"{source}","last_quantity":"40","last_price":"10.50","rebate":"0.02","at":"2026-11-20T12:00:00Z"}}"#
        )
    };
    let bust = r#"{"kind":"bust","trader":"Ada","client_order_id":"C-1","execution_id":"E-2","refers_to":"E-1","venue":"XLON","source":"ONE","at":"2026-11-20T12:00:01Z"}"#;
    let input = [order, &fill("ONE"), &fill("TWO"), &fill("ONE"), bust].join("\n");
    for _ in 0..2 {
        ingested(&db, input.as_bytes(), FormatName::Ndjson);
        let contents = db.contents();
        let order = &contents.orders[0];
        assert_eq!((order.filled_quantity, order.currency.as_deref()), (40, None));
        assert_eq!((contents.fills.len(), contents.breaks.len()), (3, 0));
        let busted = contents.fills.iter().find(|fill| fill.is_bust).unwrap();
        assert_eq!(busted.source, "ONE");
    }
    let again = Database::migrated();
    ingested(&again, &exported(&db, FormatName::Ndjson), FormatName::Ndjson);
    assert_eq!(same(&again.contents()), same(&db.contents()));
}

#[test]
fn a_trading_day_goes_out_and_in_with_the_breaks_of_orders_that_are_there() {
    let db = Database::migrated();
    let engine = db.blotter().engine();
    let mut reader = Reader::new(DAY, fix_by_account());
    let mut writer = Writer::new(options());
    while let Some(batch) = reader.batch(500).unwrap() {
        writer.write(&engine, &batch.events).unwrap();
    }
    drop(engine);
    let again = Database::migrated();
    ingested(&again, &exported(&db, FormatName::Ndjson), FormatName::Ndjson);
    let (out, back) = (same(&db.contents()), same(&again.contents()));
    let lost: Vec<_> = out.iter().filter(|line| !back.contains(line)).collect();
    let added: Vec<_> = back.iter().filter(|line| !out.contains(line)).collect();
    assert_eq!((lost, added), (vec![], vec![]));
    let breaks = |db: &Database| {
        let breaks = db.contents().breaks.into_iter().filter(|kept| kept.order_id.is_some());
        let mut breaks: Vec<_> =
            breaks.map(|kept| (kept.reason, kept.order_id, kept.execution_id, kept.raw)).collect();
        breaks.sort();
        breaks
    };
    assert_eq!(breaks(&again), breaks(&db));
}
