//! `blotter demo`: orders of every type through every ending, then the book as it stands, then a trading
//! day out of the log of a venue.

mod desk;
mod stage;

use std::io::Write;
use std::time::Instant;

use diesel::prelude::*;
use tradeblotter::ingest::{FixReader, Options, Reader, Writer};
use tradeblotter::schema::execution_logs;
use tradeblotter::{
    Action, Error, Filter, NewExecutionLog, NewOrder, Order, Page, Session, Side, Trader, connect,
    migrations, role,
};

use self::desk::Desk;
use self::stage::Stage;
use crate::breaks::BreakRow;
use crate::database::Database;
use crate::failure::Failure;
use crate::ingest;
use crate::output::{self, Ids};

/// A trading day of our own making; what is planted in it stands in the README beside it.
const DAY: &[u8] = include_bytes!("../../data/day.fix");

/// The FIX tag that names the trader in it.
const ACCOUNT: u32 = 1;

/// Reports of it that are written in one transaction.
const BATCH: usize = 500;

/// More rows than the demo shows.
const ALL: Page = Page::first(100);

pub fn run(database: &Database, out: &mut impl Write) -> Result<(), Failure> {
    let started = Instant::now();
    let mut stage = Stage::set(database.given())?;
    writeln!(out, "{}\n", stage.what())?;
    migrate(stage.url(), out)?;

    // Dropped before the stage is, so that no connection is left on it.
    let floor = stage.open()?;
    let (ada, grace) = floor.engine.transaction(|tx| {
        Ok::<_, Error>((tx.traders().register("Ada")?, tx.traders().register("Grace")?))
    })?;
    let desk = floor.desk_of(&ada)?;
    let filled = trade(&desk, &ada)?;
    show(&desk, &ada, out)?;
    show_refusals(&desk, &ada, &grace, &filled, out)?;
    show_isolation(&floor.desk_of(&grace)?, &ada, &grace, out)?;
    writeln!(out, "\nA trading day of 300 orders, from the log of its FIX session")?;
    ingest_day(&floor.engine, out)?;
    show_breaks(&floor.engine, out)?;
    writeln!(out, "\nThe same once more")?;
    ingest_day(&floor.engine, out)?;
    writeln!(out, "\nDone in {:.1} s; nothing is left behind.", started.elapsed().as_secs_f64())?;
    Ok(())
}

fn migrate(url: &str, out: &mut impl Write) -> Result<(), Failure> {
    for step in migrations::run(&mut connect(url)?)? {
        let milliseconds = step.elapsed.as_secs_f64() * 1e3;
        writeln!(out, "{}  {}  {milliseconds:.1} ms", step.direction, step.name)?;
    }
    Ok(())
}

/// One order to each ending; returns the one that was filled at once.
fn trade(desk: &Desk, ada: &Trader) -> Result<Order, Failure> {
    let at_once = NewOrder {
        client_order_id: Some("ada-1"),
        ..NewOrder::market(ada.id, Side::Buy, "AAPL", 100)
    };
    let at_once = desk.submit(&at_once)?;
    desk.fill(&at_once, 100, "229.87", "NASDAQ", "N-1")?;

    let in_parts = desk.submit(&NewOrder {
        client_order_id: Some("ada-2"),
        stop_loss: Some("410.00".parse()?),
        take_profit: Some("450.00".parse()?),
        ..NewOrder::limit(ada.id, Side::Buy, "MSFT", 300, "417.50".parse()?)
    })?;
    desk.fill(&in_parts, 100, "417.41", "NYSE", "Y-1")?;
    let mistaken = desk.fill(&in_parts, 150, "417.05", "ARCA", "A-1")?;
    desk.fill(&in_parts, 50, "417.48", "NYSE", "Y-2")?;
    desk.correct(&mistaken, "417.50", "A-2")?;

    let cut_short = NewOrder {
        client_order_id: Some("ada-3"),
        ..NewOrder::limit(ada.id, Side::Sell, "NVDA", 500, "141.20".parse()?)
    };
    let cut_short = desk.submit(&cut_short)?;
    desk.fill(&cut_short, 200, "141.20", "NASDAQ", "N-2")?;
    desk.cancel(&cut_short)?;
    if let Some(late) = desk.report(&cut_short, 100, "141.21", "N-3")? {
        desk.book(&late, "filled before the cancel reached the venue")?;
    }

    let refused = NewOrder::stop(ada.id, Side::Sell, "TSLA", 50, "320.00".parse()?);
    let refused = desk.submit(&refused)?;
    desk.log(&NewExecutionLog {
        reason: Some("stop price through the market"),
        error_code: Some("99"),
        ..NewExecutionLog::new(refused.id, Action::Rejected)
    })?;

    let retried = desk.submit(&NewOrder::market(ada.id, Side::Buy, "IBM", 40))?;
    desk.log(&NewExecutionLog {
        reason: Some("no answer from the venue, sent again"),
        retry_attempt: Some(1),
        ..NewExecutionLog::new(retried.id, Action::Recovered)
    })?;
    desk.fill(&retried, 40, "224.05", "NYSE", "Y-3")?;

    let open = NewOrder {
        client_order_id: Some("ada-6"),
        ..NewOrder::limit(ada.id, Side::Buy, "AMZN", 75, "198.00".parse()?)
    };
    let open = desk.submit(&open)?;
    desk.report(&open, 25, "197.9975", "N-4")?;
    Ok(desk.order(&at_once)?)
}

fn show(desk: &Desk, ada: &Trader, out: &mut impl Write) -> Result<(), Failure> {
    let (orders, fills, breaks, log) = desk.trader.snapshot(|tx| {
        Ok::<_, Error>((
            tx.orders().recent(&Filter::default(), ALL)?.rows,
            tx.fills().recent(&Filter::default(), ALL)?.rows,
            tx.breaks().recent(&Filter::default(), ALL)?.rows,
            tx.execution_logs().trail(&Filter::default(), ALL)?.rows,
        ))
    })?;
    let breaks: Vec<_> = breaks.into_iter().map(BreakRow::from).collect();
    writeln!(out, "\n{}'s orders, newest first", ada.name)?;
    output::table(out, &orders, Ids::Short)?;
    writeln!(out, "\nFills, newest first")?;
    output::table(out, &fills, Ids::Short)?;
    writeln!(out, "\nBreaks, newest first")?;
    output::table(out, &breaks, Ids::Short)?;
    writeln!(out, "\nAudit trail, oldest first")?;
    output::table(out, &log, Ids::Short)
}

fn show_refusals(
    desk: &Desk,
    ada: &Trader,
    grace: &Trader,
    filled: &Order,
    out: &mut impl Write,
) -> Result<(), Failure> {
    writeln!(out, "\nRefused to {}", ada.name)?;
    let open = desk.trader.transaction(|tx| tx.orders().open(ada.id, ALL))?.rows;
    let over_fill = open.first();
    let over_fill = over_fill.map(|o| desk.fill(o, o.quantity + 1, "198.00", "NYSE", "Y-4"));
    let erase = desk.trader.transaction(|tx| {
        let erase = diesel::delete(execution_logs::table);
        Ok::<_, Error>(erase.execute(tx.connection())?)
    });
    let refusals = [
        desk.submit(&NewOrder::limit(ada.id, Side::Buy, "AAPL", 1, "10.005".parse()?)).err(),
        desk.submit(&NewOrder::market(ada.id, Side::Buy, "AAPL", 0)).err(),
        over_fill.and_then(Result::err),
        desk.cancel(filled).err(),
        desk.submit(&NewOrder::market(grace.id, Side::Buy, "AAPL", 1)).err(),
        erase.err(),
    ];
    for refusal in refusals.into_iter().flatten() {
        writeln!(out, "  {refusal}")?;
    }
    Ok(())
}

fn show_isolation(
    graces: &Desk,
    ada: &Trader,
    grace: &Trader,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let (orders, fills, log) = graces.trader.transaction(|tx| {
        Ok::<_, Error>((
            tx.orders().recent(&Filter::of_trader(ada.id), ALL)?.rows.len(),
            tx.fills().recent(&Filter::of_trader(ada.id), ALL)?.rows.len(),
            tx.execution_logs().trail(&Filter::of_trader(ada.id), ALL)?.rows.len(),
        ))
    })?;
    writeln!(out, "\nWhat {} sees when asking for all that is {}'s", grace.name, ada.name)?;
    writeln!(out, "  {orders} orders, {fills} fills, {log} log entries")?;
    Ok(())
}

/// Takes in the day and says what has become of it.
fn ingest_day(engine: &Session<role::Engine>, out: &mut impl Write) -> Result<(), Failure> {
    let mut reader = Reader::new(DAY, FixReader::new(Some(ACCOUNT)));
    let mut writer = Writer::new(Options { trader: None, venue: "BROKER".to_owned() });
    let mut unread = 0;
    while let Some(batch) = reader.batch(BATCH)? {
        unread += batch.malformed.len() as u64;
        writer.write(engine, &batch.events)?;
    }
    writer.finish(engine)?;
    ingest::summary(out, writer.tally(), unread)
}

/// What the day has left for people to resolve: all that is planted in it.
fn show_breaks(engine: &Session<role::Engine>, out: &mut impl Write) -> Result<(), Failure> {
    let breaks = engine.snapshot(|tx| tx.breaks().open(&Filter::default(), ALL))?.rows;
    let breaks: Vec<_> = breaks.into_iter().map(BreakRow::from).collect();
    writeln!(out, "\nWhat is left to resolve, newest first")?;
    output::table(out, &breaks, Ids::Short)
}
