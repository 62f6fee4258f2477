//! Export and import: the exported events make the same orders, fills, actions and breaks in another store.

use std::collections::HashMap;

use tradeblotter::ingest::{
    AnyFormat, Csv, Event, FormatName, Ndjson, Options, ReadOptions, Reader, Tally, Writer, export,
};
use tradeblotter::{
    Blotter, Break, BreakReason, BreakResolution, Error, Execution, ExecutionKind, ExecutionLog,
    Filter, Instructions, NewAction, NewBreakResolution, NewBust, NewCorrection, NewExecutionLog,
    NewFill, NewOrder, Order, Outcome, Resolution, Side, TimeInForce, Totals, Trader,
    UnappliedReason, UnappliedReport,
};
use uuid::Uuid;

use tradeblotter_test_support::{
    Contents, Database, append, fill_of, noon, price, record, submit, trader, trading_day,
};

fn options() -> Options {
    Options { register_traders: true, ..Options::default() }
}

fn exported(db: &Database, name: FormatName) -> Vec<u8> {
    exported_of(db, &Filter::default(), name)
}

fn exported_of(db: &Database, filter: &Filter<'_>, name: FormatName) -> Vec<u8> {
    let mut written = Vec::new();
    if name == FormatName::Csv {
        Csv::write_header(&mut written).unwrap();
    }
    let engine = db.blotter().engine();
    engine
        .snapshot(|tx| {
            export(tx, filter, |event: &Event<'_>| {
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

/// Ingests an input of which nothing is kept as a break.
fn ingested(db: &Database, input: &[u8], name: FormatName) -> Tally {
    let engine = db.blotter().engine();
    let mut reader = Reader::new(input, AnyFormat::new(name, &ReadOptions::default()));
    let mut writer = Writer::new(options());
    // What an export makes does not depend on where its batches end.
    let size = if name == FormatName::Csv { 7 } else { 1000 };
    while let Some(batch) = reader.batch(size).unwrap() {
        assert_eq!(batch.malformed, []);
        writer.write(&engine, &batch.events).unwrap();
    }
    assert_eq!(writer.finish(&engine).unwrap(), []);
    let tally = writer.tally().clone();
    assert_eq!((tally.broken, tally.without_effect), (0, 0));
    tally
}

/// The contents of the store without times of recording, logins, traders who did nothing, ids of entries, and ids of
/// fills that were booked from breaks. The log of each order keeps its sequence.
///
/// The database chooses the id of a fill that it books from a break: `booked` has those of both stores, since the
/// detail of a break may name one of the other store.
fn same(contents: &Contents, booked: &[(Uuid, Uuid)]) -> Vec<String> {
    let is_named = |trader: &&Trader| {
        contents.orders.iter().any(|order| order.trader_id == trader.id)
            || contents.breaks.iter().any(|kept| kept.trader_id == Some(trader.id))
    };
    let traders = contents.traders.iter().filter(is_named);
    let mut lines: Vec<String> =
        traders.map(|trader| format!("{} {}", trader.id, trader.name)).collect();
    lines.extend(contents.orders.iter().map(|order| {
        let mut order = order.clone();
        (order.created_at, order.updated_at) = (noon(), noon());
        order.filled_notional = order.filled_notional.normalized();
        format!("{order:?}")
    }));
    lines.extend(contents.fills.iter().map(|fill| {
        let mut fill = fill.clone();
        fill.created_at = noon();
        format!("{fill:?}")
    }));
    lines.extend(contents.breaks.iter().map(|kept| {
        let mut kept = kept.clone();
        kept.created_at = noon();
        (kept.acted_by, kept.acted_as) = (String::new(), String::new());
        format!("{kept:?}")
    }));
    lines.extend(contents.resolutions.iter().map(|resolution| {
        let mut resolution = resolution.clone();
        resolution.created_at = noon();
        (resolution.acted_by, resolution.acted_as) = (String::new(), String::new());
        format!("{resolution:?}")
    }));
    let mut log: Vec<&ExecutionLog> = contents.log.iter().collect();
    log.sort_by_key(|entry| (entry.order_id, entry.sequence));
    let mut numbers: HashMap<Uuid, usize> = HashMap::new();
    lines.extend(log.into_iter().map(|entry| {
        let number = numbers.entry(entry.order_id).or_default();
        *number += 1;
        format!(
            "{} {} {number:05} {} {:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?}",
            entry.order_id,
            entry.trader_id,
            entry.action,
            entry.status,
            entry.reason,
            entry.retry_attempt,
            entry.error_code,
            entry.venue_order_id,
            entry.reported_at,
            entry.fill_id,
            entry.break_id,
        )
    }));
    for (fill, kept) in booked {
        let (fill, kept) = (fill.to_string(), format!("booked from {kept}"));
        for line in &mut lines {
            if line.contains(&fill) {
                *line = line.replace(&fill, &kept);
            }
        }
    }
    lines.sort();
    lines
}

/// Asserts that an export of the store makes the same store, and changes nothing the second time, there or here.
pub fn assert_survives(db: &Database, name: FormatName) {
    let events = exported(db, name);
    let again = Database::migrated();
    ingested(&again, &events, name);
    let (out, back) = (db.contents(), again.contents());
    let fills = out.fills.iter().chain(&back.fills);
    let booked: Vec<_> = fills.filter_map(|fill| Some((fill.id, fill.break_id?))).collect();
    let (out, back) = (same(&out, &booked), same(&back, &booked));
    let lost: Vec<_> = out.iter().filter(|line| !back.contains(line)).collect();
    let added: Vec<_> = back.iter().filter(|line| !out.contains(line)).collect();
    assert!(lost.is_empty() && added.is_empty(), "{name}\nlost: {lost:#?}\nadded: {added:#?}");
    for twice in [&again, db] {
        let before = twice.contents();
        assert_eq!(ingested(twice, &events, name).applied, 0, "{name}");
        assert_eq!(twice.contents(), before, "{name}");
    }
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
        assert_survives(&db, name);
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
    assert_survives(&db, FormatName::Ndjson);
}

#[test]
fn a_trading_day_goes_out_and_in() {
    assert_survives(&trading_day(), FormatName::Ndjson);
}

/// An execution of 10 shares.
fn execution(order_id: Option<Uuid>, id: &str) -> Execution<'_> {
    Execution {
        kind: ExecutionKind::Fill,
        order_id,
        trader_id: None,
        client_order_id: None,
        timestamp: noon(),
        quantity: 10.into(),
        price: "10.5".parse().unwrap(),
        venue: "XNAS",
        commission: 0.into(),
        rebate: 0.into(),
        source: None,
        execution_id: Some(id),
        raw: None,
    }
}

/// Stores an execution that becomes a break for this reason.
fn broken(blotter: &Blotter, execution: &Execution<'_>, reason: BreakReason) -> Break {
    let engine = blotter.engine();
    let outcome = engine.transaction(|tx| tx.breaks().record_or_break(execution)).unwrap();
    let Outcome::Broken(kept) = outcome else { panic!("{outcome:?}") };
    assert_eq!(kept.reason, reason);
    kept
}

fn resolve(blotter: &Blotter, kept: &Break, resolution: Resolution) -> BreakResolution {
    let new = NewBreakResolution { break_id: kept.id, resolution, reason: "the broker, says so" };
    blotter.engine().transaction(|tx| tx.breaks().resolve(&new)).unwrap()
}

const BOOK: Resolution = Resolution::Book { order: None };

fn cancel(blotter: &Blotter, order: &Order, reason: Option<&str>) {
    let trader = blotter.trader(order.trader_id).unwrap();
    trader.transaction(|tx| tx.execution_logs().cancel(order.id, reason)).unwrap();
}

#[test]
fn breaks_of_each_reason_go_out_and_in_open_booked_and_dismissed() {
    let db = Database::migrated();
    let blotter = &db.blotter();
    let ada = trader(blotter, "Ada");
    let order = || submit(blotter, &NewOrder::market(ada.id, Side::Buy, "AAPL", 100)).unwrap();
    let (open, ended, other) = (order(), order(), order());
    let of = |order: &Order| Some(order.id);

    // Orders that are unknown, named or not; that are stored later; or that a break is booked to.
    let unknown = BreakReason::UnknownOrder;
    broken(blotter, &execution(None, "U-1"), unknown);
    let named = Execution {
        trader_id: Some(ada.id),
        client_order_id: Some("C-9"),
        raw: Some("8=FIX, \"quoted\"\nand more"),
        ..execution(None, "U-1")
    };
    let kept = broken(blotter, &named, unknown);
    resolve(blotter, &kept, Resolution::Book { order: of(&open) });
    let kept = broken(blotter, &execution(None, "U-2"), unknown);
    resolve(blotter, &kept, Resolution::Dismiss);
    broken(blotter, &execution(Some(Uuid::from_u128(1)), "U-3"), unknown);
    let later = Uuid::from_u128(2);
    broken(blotter, &execution(Some(later), "U-4"), unknown);
    let booked = broken(blotter, &execution(Some(later), "U-5"), unknown);
    let dismissed = broken(blotter, &execution(Some(later), "U-6"), unknown);
    let new_order = format!(
        r#"{{"kind":"new_order","id":"{later}","trader":"{}","symbol":"MSFT","side":"BUY","order_type":"MARKET","quantity":"100"}}"#,
        ada.id
    );
    ingested(&db, new_order.as_bytes(), FormatName::Ndjson);
    resolve(blotter, &booked, BOOK);
    resolve(blotter, &dismissed, Resolution::Dismiss);

    // Executions of known orders.
    let too_many = |id| Execution { quantity: 1000.into(), ..execution(of(&open), id) };
    broken(blotter, &too_many("O-1"), BreakReason::OverFill);
    let kept = broken(blotter, &too_many("O-2"), BreakReason::OverFill);
    resolve(blotter, &kept, Resolution::Dismiss);
    let fine = Execution { price: "10.50001".parse().unwrap(), ..execution(of(&open), "P-1") };
    broken(blotter, &fine, BreakReason::Precision);
    let half = Execution { quantity: "0.5".parse().unwrap(), ..execution(of(&open), "I-1") };
    broken(blotter, &half, BreakReason::Invalid);
    record(blotter, &NewFill { execution_id: Some("M-1"), ..fill_of(&open, 10, "10.40") }).unwrap();
    let venue = fill_of(&open, 10, "10.40").venue;
    let kept =
        broken(blotter, &Execution { venue, ..execution(of(&open), "M-1") }, BreakReason::Mismatch);
    resolve(blotter, &kept, Resolution::Dismiss);

    // Late bookings, one of them of a fill without an execution id, which is corrected and busted then.
    cancel(blotter, &ended, Some(&format!("replaced by order {}", open.id)));
    let kept = broken(blotter, &execution(of(&ended), "L-1"), BreakReason::OrderEnded);
    resolve(blotter, &kept, BOOK);
    let unnamed = Execution { execution_id: None, ..execution(of(&ended), "") };
    let kept = broken(blotter, &unnamed, BreakReason::OrderEnded);
    let fill_id = resolve(blotter, &kept, BOOK).fill_id.unwrap();
    let correction = NewCorrection {
        amends: fill_id,
        timestamp: noon(),
        quantity_filled: 9,
        price_at_fill: price("10.49"),
        commission: "0.01".parse().unwrap(),
        rebate: "0".parse().unwrap(),
        execution_id: None,
    };
    let engine = blotter.engine();
    let corrected = engine.transaction(|tx| tx.fills().correct(&correction)).unwrap();
    let bust = NewBust { amends: corrected.id, timestamp: noon(), execution_id: None };
    engine.transaction(|tx| tx.fills().bust(&bust)).unwrap();

    // A break that is booked to an order of another chain, between actions on both.
    append(blotter, &NewExecutionLog::new(other.id, NewAction::Approved)).unwrap();
    let kept = broken(blotter, &execution(of(&ended), "X-1"), BreakReason::OrderEnded);
    append(blotter, &NewExecutionLog::new(other.id, NewAction::Approved)).unwrap();
    resolve(blotter, &kept, Resolution::Book { order: of(&other) });
    let kept = broken(blotter, &execution(of(&ended), "X-2"), BreakReason::OrderEnded);
    resolve(blotter, &kept, Resolution::Dismiss);

    // A bust before its fill, one booked and one recorded already.
    let bust_of = |of_fill, id| Execution {
        kind: ExecutionKind::Bust { of: of_fill },
        ..execution(of(&other), id)
    };
    let kept = broken(blotter, &bust_of("F-1", "B-1"), BreakReason::UnknownFill);
    engine.transaction(|tx| tx.breaks().record_or_break(&execution(of(&other), "F-1"))).unwrap();
    resolve(blotter, &kept, BOOK);
    let kept = broken(blotter, &bust_of("F-2", "B-2"), BreakReason::UnknownFill);
    engine.transaction(|tx| tx.breaks().record_or_break(&execution(of(&other), "F-2"))).unwrap();
    engine.transaction(|tx| tx.breaks().record_or_break(&bust_of("F-2", "B-2"))).unwrap();
    resolve(blotter, &kept, BOOK);

    // Breaks that hold no execution.
    let totals = |id: &'static str| Totals {
        order_id: open.id,
        venue: "XNAS",
        execution_id: Some(id),
        timestamp: noon(),
        status: None,
        filled_quantity: 99.into(),
        average_price: None,
        currency: None,
        raw: Some("the venue's totals"),
    };
    let reconcile = |id| engine.transaction(|tx| tx.breaks().reconcile(&totals(id))).unwrap();
    reconcile("T-1").unwrap();
    resolve(blotter, &reconcile("T-2").unwrap(), Resolution::Dismiss);
    let unapplied = |reason, order_id, id| UnappliedReport {
        reason,
        trader_id: Some(ada.id),
        order_id,
        client_order_id: Some("C-8"),
        execution_id: id,
        timestamp: noon(),
        venue: "XNAS",
        source: None,
        quantity: "0.5".parse().unwrap(),
        price: 0.into(),
        detail: "cannot be applied",
        raw: None,
    };
    let keep = |report: &UnappliedReport<'_>| {
        engine.transaction(|tx| tx.breaks().record_unapplied(report)).unwrap()
    };
    keep(&unapplied(UnappliedReason::InvalidOrder, None, None));
    let action = UnappliedReason::UnappliedAction;
    keep(&unapplied(action, of(&ended), Some("A-1")));
    let kept = keep(&unapplied(action, of(&ended), None));
    resolve(blotter, &kept, Resolution::Dismiss);

    for name in [FormatName::Ndjson, FormatName::Csv] {
        assert_survives(&db, name);
    }
}

#[test]
fn the_words_of_a_trader_do_not_decide_what_is_exported() {
    let db = Database::migrated();
    let blotter = &db.blotter();
    let ada = trader(blotter, "Ada");
    let market = NewOrder::market(ada.id, Side::Buy, "AAPL", 100);
    let due = NewOrder { expires_at: Some(noon()), ..market };
    let orders: Vec<Order> =
        [market, market, market, due].map(|new| submit(blotter, &new).unwrap()).into();
    let replacing = NewOrder { replaces: Some(orders[0].id), ..market };
    let last = submit(blotter, &replacing).unwrap();
    cancel(blotter, &orders[1], Some(&format!("replaced by order {}", last.id)));
    cancel(blotter, &orders[2], Some("expired"));
    blotter.engine().transaction(|tx| tx.orders().expire_due(noon(), 10)).unwrap();
    let recovered = |reason: &'static str| NewExecutionLog {
        reason: Some(reason),
        ..NewExecutionLog::new(
            last.id,
            NewAction::Recovered { retry_attempt: None, error_code: None, ended: None },
        )
    };
    for reason in ["break: nothing", "break booked: nothing", "bust of fill", "replaces order"] {
        append(blotter, &recovered(reason)).unwrap();
    }
    // A bust would reopen an order that was filled before it was replaced: the database cancels it.
    let filled = submit(blotter, &due).unwrap();
    let fill = record(blotter, &fill_of(&filled, 100, "10.40")).unwrap();
    submit(blotter, &NewOrder { replaces: Some(filled.id), ..market }).unwrap();
    let bust = NewBust { amends: fill.id, timestamp: noon(), execution_id: Some("B-1") };
    blotter.engine().transaction(|tx| tx.fills().bust(&bust)).unwrap();
    for name in [FormatName::Ndjson, FormatName::Csv] {
        assert_survives(&db, name);
    }
}

#[test]
fn the_export_of_one_order_has_the_breaks_that_were_booked_to_it() {
    let db = Database::migrated();
    let blotter = &db.blotter();
    let ada = trader(blotter, "Ada");
    let order = submit(blotter, &NewOrder::market(ada.id, Side::Buy, "AAPL", 100)).unwrap();
    let kept = broken(blotter, &execution(None, "U-1"), BreakReason::UnknownOrder);
    resolve(blotter, &kept, Resolution::Book { order: Some(order.id) });
    broken(blotter, &execution(None, "U-2"), BreakReason::UnknownOrder);
    let filter = Filter { order_id: Some(order.id), ..Filter::default() };
    let events = exported_of(&db, &filter, FormatName::Ndjson);
    let again = Database::migrated();
    ingested(&again, &events, FormatName::Ndjson);
    let contents = again.contents();
    assert_eq!((contents.breaks.len(), contents.resolutions.len()), (1, 1));
    assert_eq!(contents.orders[0].filled_quantity, 10);
}
