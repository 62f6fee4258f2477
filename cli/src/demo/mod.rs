//! `blotter demo`: one order for each way that an order can end, what is refused, and a trading day from a FIX
//! log, in a database that is removed at the end.

mod seat;
mod stage;

use std::io::Write;
use std::time::Instant;

use diesel::prelude::*;
use tradeblotter::ingest::{FixReader, Options, ReadOptions, Reader, Writer};
use tradeblotter::schema::execution_logs;
use tradeblotter::{
    Error, Filter, NewAction, NewExecutionLog, NewOrder, Order, Page, Session, Side, Trader,
    connect, migrations, role,
};

use self::seat::Seat;
use self::stage::Stage;
use crate::breaks::BreakRow;
use crate::database::Database;
use crate::failure::Failure;
use crate::ingest::summary;
use crate::output::{self, Detail, counted};
use crate::terminal::Output;

/// An invented trading day. The README beside it lists the errors that are planted in it.
const DAY: &[u8] = include_bytes!("../../data/day.fix");

/// FIX tag 1 (Account), which names the trader in it.
const ACCOUNT: u32 = 1;

/// Reports applied in one transaction.
const BATCH: usize = 500;

/// More rows than the demo shows.
const ALL: Page = Page::first(100);

pub fn run(database: &Database, out: &mut Output) -> Result<(), Failure> {
    let started = Instant::now();
    let mut stage = Stage::set(database.given())?;
    introduce(&stage, out)?;
    let migrations = migrations::run(&mut connect(stage.url())?)?.len();

    // Dropped before the stage, so that no connection is left on its database.
    let floor = stage.open()?;
    let (ada, grace) = floor.engine.transaction(|tx| {
        Ok::<_, Error>((tx.traders().register("Ada")?, tx.traders().register("Grace")?))
    })?;
    let seat = floor.seat_of(&ada)?;
    let traded = trade(&seat, &ada)?;
    writeln!(out, "Applied {} and traded as Ada.", counted(migrations, "migration", "migrations"))?;
    show_orders(&seat, &ada, out)?;
    show_log(&seat, &traded.late, out)?;
    show_refusals(&seat, &ada, &grace, &traded.filled, out)?;
    show_isolation(&floor.seat_of(&grace)?, &ada, out)?;
    heading(
        out,
        "6. A trading day from a FIX log, ingested",
        "1498 messages about 300 orders (cli/data/day.fix); a change of an order is a new order in its place.",
    )?;
    ingest_day(&floor.engine, out)?;
    show_breaks(&floor.engine, out)?;
    heading(
        out,
        "8. The same file, ingested again",
        "Ingesting is idempotent: what is stored already is recognised, and nothing changes. The breaks stay open.",
    )?;
    ingest_day(&floor.engine, out)?;
    conclude(started, out)
}

/// Prints what the demo is and what to look at.
fn introduce(stage: &Stage, out: &mut Output) -> Result<(), Failure> {
    Ok(out.write_lines(&format!(
        "\
tradeblotter: an order, fill and audit store on PostgreSQL. This demo trades as Ada, and shows what the
database keeps, and what it refuses to her and to Grace, another trader. It runs in {}.

What to look at
  1-3  status and totals are derived by the database from fills and log entries, never written by a client
  4-5  invalid changes and other traders' rows are refused by the database, whatever the client does
  6-8  a file of execution reports is reconciled; reading it twice changes nothing

",
        stage.description()
    ))?)
}

/// Prints what to try and to read next.
fn conclude(started: Instant, out: &mut Output) -> Result<(), Failure> {
    let program = std::env::args().next().unwrap_or_else(|| "blotter".to_owned());
    Ok(out.write_lines(&format!(
        "
Done in {:.1} s; nothing is left behind.

Try next
  {program} sandbox -- sh     a shell with a private, empty PostgreSQL; in it:
  {program} migrate run       create the schema
  {program} schema check      compare the schema with this build: prints nothing if they agree
Read next
  README.md      what the store guarantees, and how a backend links it in
  docs/cli.md    every command with its options",
        started.elapsed().as_secs_f64()
    ))?)
}

/// Prints a heading, and a line that says why the section matters.
fn heading(out: &mut Output, title: &str, why: &str) -> Result<(), Failure> {
    Ok(out.write_lines(&format!("\n{title}\n{why}\n\n"))?)
}

/// Orders that later sections refer to.
struct Traded {
    /// Filled at once.
    filled: Order,
    /// Cancelled after a partial fill; another fill was reported late.
    late: Order,
}

/// Trades one order for each way that an order can end.
fn trade(seat: &Seat, ada: &Trader) -> Result<Traded, Failure> {
    let at_once = NewOrder {
        client_order_id: Some("ada-1"),
        ..NewOrder::market(ada.id, Side::Buy, "AAPL", 100)
    };
    let at_once = seat.submit(&at_once)?;
    seat.fill(&at_once, 100, "229.87", "XNAS", "N-1")?;

    let in_parts = seat.submit(&NewOrder {
        client_order_id: Some("ada-2"),
        stop_loss: Some("410.00".parse()?),
        take_profit: Some("450.00".parse()?),
        ..NewOrder::limit(ada.id, Side::Buy, "MSFT", 300, "417.50".parse()?)
    })?;
    seat.fill(&in_parts, 100, "417.41", "XNYS", "Y-1")?;
    let mistaken = seat.fill(&in_parts, 150, "417.05", "ARCX", "A-1")?;
    seat.fill(&in_parts, 50, "417.48", "XNYS", "Y-2")?;
    seat.correct(&mistaken, "417.50", "A-2")?;

    let cut_short = NewOrder {
        client_order_id: Some("ada-3"),
        ..NewOrder::limit(ada.id, Side::Sell, "NVDA", 500, "141.20".parse()?)
    };
    let cut_short = seat.submit(&cut_short)?;
    seat.fill(&cut_short, 200, "141.20", "XNAS", "N-2")?;
    seat.cancel(&cut_short)?;
    if let Some(late) = seat.report(&cut_short, 100, "141.21", "N-3")? {
        seat.book(&late, "filled before the cancel reached the venue")?;
    }

    let refused = NewOrder::stop(ada.id, Side::Sell, "TSLA", 50, "320.00".parse()?);
    let refused = seat.submit(&refused)?;
    seat.log(&NewExecutionLog {
        reason: Some("stop price through the market"),
        ..NewExecutionLog::new(refused.id, NewAction::Rejected { error_code: Some("99") })
    })?;

    let retried = seat.submit(&NewOrder::market(ada.id, Side::Buy, "IBM", 40))?;
    let retry = NewAction::Recovered { retry_attempt: Some(1), error_code: None, ended: None };
    seat.log(&NewExecutionLog {
        reason: Some("no answer from the venue, sent again"),
        ..NewExecutionLog::new(retried.id, retry)
    })?;
    seat.fill(&retried, 40, "224.05", "XNYS", "Y-3")?;

    let open = NewOrder {
        client_order_id: Some("ada-6"),
        ..NewOrder::limit(ada.id, Side::Buy, "AMZN", 75, "198.00".parse()?)
    };
    let open = seat.submit(&open)?;
    seat.report(&open, 25, "197.9975", "N-4")?;
    Ok(Traded { filled: seat.order(&at_once)?, late: cut_short })
}

/// Prints the orders and fills of a trader.
fn show_orders(seat: &Seat, ada: &Trader, out: &mut Output) -> Result<(), Failure> {
    let (orders, fills) = seat.trader.snapshot(|tx| {
        Ok::<_, Error>((
            tx.orders().recent(&Filter::default(), ALL)?.rows,
            tx.fills().recent(&Filter::default(), ALL)?.rows,
        ))
    })?;
    heading(
        out,
        &format!("1. {}'s orders, newest first", ada.name),
        "The database derives status, filled quantity and average price from the fills below and the log.",
    )?;
    output::table(out, &orders, Detail::Brief)?;
    heading(
        out,
        "2. Their fills, newest first",
        "Fills are append-only: execution A-2 corrects the price of A-1 in a new row.",
    )?;
    output::table(out, &fills, Detail::Brief)
}

/// Prints the execution log of an order.
fn show_log(seat: &Seat, order: &Order, out: &mut Output) -> Result<(), Failure> {
    let log = seat.trader.snapshot(|tx| tx.execution_logs().of_order(order.id))?;
    heading(
        out,
        &format!("3. Execution log of the {} order, oldest first", order.symbol),
        "A fill was reported after the cancel: it was kept as a break, then booked by hand (RECOVERED).",
    )?;
    output::table(out, &log, Detail::Brief)
}

/// Tries invalid changes and prints the errors.
fn show_refusals(
    seat: &Seat,
    ada: &Trader,
    grace: &Trader,
    filled: &Order,
    out: &mut Output,
) -> Result<(), Failure> {
    heading(
        out,
        &format!("4. What {} tries, and the error that the backend gets", ada.name),
        "The database or the library refuses each of these; nothing of it is stored.",
    )?;
    let open = seat.trader.transaction(|tx| tx.orders().open(ada.id, ALL))?.rows;
    let over_fill = open.first();
    let over_fill = over_fill.map(|o| seat.fill(o, o.quantity + 1, "198.00", "XNYS", "Y-4"));
    let erase = seat.trader.transaction(|tx| {
        let erase = diesel::delete(execution_logs::table);
        Ok::<_, Error>(erase.execute(tx.connection())?)
    });
    let limit = NewOrder::limit(ada.id, Side::Buy, "AAPL", 1, "10.005".parse()?);
    let attempts = [
        ("an order at 10.005", seat.submit(&limit).err()),
        (
            "an order of no shares",
            seat.submit(&NewOrder::market(ada.id, Side::Buy, "AAPL", 0)).err(),
        ),
        ("a fill of 76 of 75 shares", over_fill.and_then(Result::err)),
        ("to cancel a filled order", seat.cancel(filled).err()),
        (
            "an order for Grace",
            seat.submit(&NewOrder::market(grace.id, Side::Buy, "AAPL", 1)).err(),
        ),
        ("to delete the log", erase.err()),
    ];
    for (attempt, refusal) in attempts {
        let Some(refusal) = refusal else { continue };
        writeln!(out, "  {attempt}:")?;
        writeln!(out, "      {refusal}")?;
    }
    Ok(())
}

/// Prints how many of Ada's rows Grace's session reads: none.
fn show_isolation(graces: &Seat, ada: &Trader, out: &mut Output) -> Result<(), Failure> {
    let (orders, fills, log) = graces.trader.transaction(|tx| {
        Ok::<_, Error>((
            tx.orders().recent(&Filter::of_trader(ada.id), ALL)?.rows.len(),
            tx.fills().recent(&Filter::of_trader(ada.id), ALL)?.rows.len(),
            tx.execution_logs().trail(&Filter::of_trader(ada.id), ALL)?.rows.len(),
        ))
    })?;
    heading(
        out,
        "5. What Grace's session reads when it asks for all of Ada's rows",
        "Row-level security in PostgreSQL filters them, not the client.",
    )?;
    Ok(writeln!(out, "  {orders} orders, {fills} fills, {log} log entries")?)
}

/// Ingests the day and prints the summary.
fn ingest_day(engine: &Session<role::Engine>, out: &mut Output) -> Result<(), Failure> {
    let options = ReadOptions { trader_from: vec![ACCOUNT.into()], ..ReadOptions::default() };
    let mut reader = Reader::new(DAY, FixReader::new(options));
    let mut writer = Writer::new(Options {
        venue: "BROKER".to_owned(),
        register_traders: true,
        ..Options::default()
    });
    let mut malformed = 0;
    while let Some(batch) = reader.batch(BATCH)? {
        malformed += batch.malformed.len() as u64;
        writer.write(engine, &batch.events)?;
    }
    writer.finish(engine)?;
    summary::print(out, writer.tally(), malformed)
}

/// Prints the breaks that are open: those planted in the day, and one of Ada's.
fn show_breaks(engine: &Session<role::Engine>, out: &mut Output) -> Result<(), Failure> {
    let breaks = engine.snapshot(|tx| tx.breaks().open(&Filter::default(), ALL))?.rows;
    let breaks: Vec<_> = breaks.into_iter().map(BreakRow::from).collect();
    heading(
        out,
        "7. Breaks to resolve, newest first",
        "Reports that could not be applied are kept until somebody books or dismisses them. The errors are
planted: cli/data/README.md lists them. N-4, at the bottom, was reported for one of Ada's orders.",
    )?;
    output::table(out, &breaks, Detail::Brief)
}
