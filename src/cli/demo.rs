//! `blotter demo`: orders of every type through every ending, then the book as it stands.

use std::io::Write;
use std::time::Instant;

use chrono::Utc;
use diesel::connection::SimpleConnection;
use tradeblotter::embedded::Server;
use tradeblotter::{
    Action, Blotter, Error, Filter, NewExecutionLog, NewFill, NewOrder, Order, Page, Price,
    Session, Trader, connect, migrations,
};
use uuid::Uuid;

use super::output::{self, Ids};
use super::{Database, Failure};

/// More rows than the demo makes.
const ALL: Page = Page::first(100);

pub fn run(database: &Database, out: &mut impl Write) -> Result<(), Failure> {
    let started = Instant::now();
    let stage = Stage::set(database.given())?;
    writeln!(out, "{}\n", stage.what)?;
    migrate(&stage.url, out)?;

    // Dropped before the stage is, so that no connection is left on it.
    let blotter = Blotter::connect(&stage.audience_url()?)?;
    let (ada, grace) = blotter.anonymous().transaction(|tx| {
        Ok::<_, Error>((tx.traders().register("Ada")?, tx.traders().register("Grace")?))
    })?;
    let filled = trade(&blotter, &ada)?;
    show(&blotter, &ada, out)?;
    show_refusals(&blotter, &ada, &grace, &filled, out)?;
    show_isolation(&blotter, &ada, &grace, out)?;
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
fn trade(blotter: &Blotter, ada: &Trader) -> Result<Order, Error> {
    let desk = Desk(blotter.trader(ada.id)?);

    let at_once = desk.submit(&NewOrder::market(ada.id, "AAPL", 100))?;
    desk.fill(&at_once, 100, "229.87", "NASDAQ")?;

    let in_parts = desk.submit(&NewOrder {
        stop_loss: Some("410.00".parse()?),
        take_profit: Some("450.00".parse()?),
        ..NewOrder::limit(ada.id, "MSFT", 300, "417.50".parse()?)
    })?;
    desk.fill(&in_parts, 100, "417.41", "NYSE")?;
    desk.fill(&in_parts, 150, "417.50", "ARCA")?;
    desk.fill(&in_parts, 50, "417.48", "NYSE")?;

    let cut_short = desk.submit(&NewOrder::limit(ada.id, "NVDA", 500, "141.20".parse()?))?;
    desk.fill(&cut_short, 200, "141.20", "NASDAQ")?;
    desk.log(&NewExecutionLog {
        reason: Some("cancelled by the trader"),
        ..NewExecutionLog::new(cut_short.id, Action::Cancelled)
    })?;

    let refused = desk.submit(&NewOrder::stop(ada.id, "TSLA", 50, "320.00".parse()?))?;
    desk.log(&NewExecutionLog {
        reason: Some("stop price through the market"),
        error_code: Some("99"),
        ..NewExecutionLog::new(refused.id, Action::Rejected)
    })?;

    let retried = desk.submit(&NewOrder::market(ada.id, "IBM", 40))?;
    desk.log(&NewExecutionLog {
        reason: Some("no answer from the venue, sent again"),
        retry_attempt: Some(1),
        ..NewExecutionLog::new(retried.id, Action::Recovered)
    })?;
    desk.fill(&retried, 40, "224.05", "NYSE")?;

    desk.submit(&NewOrder::limit(ada.id, "AMZN", 75, "198.00".parse()?))?;
    desk.order(&at_once)
}

/// One transaction to each event, as it would be on a trading day.
struct Desk(Session);

impl Desk {
    /// Takes an order into the book and routes it.
    fn submit(&self, new: &NewOrder<'_>) -> Result<Order, Error> {
        let order = self.0.transaction(|tx| tx.orders().submit(new))?;
        self.log(&NewExecutionLog::new(order.id, Action::Approved))?;
        self.log(&NewExecutionLog::new(order.id, Action::Executed))?;
        Ok(order)
    }

    fn log(&self, entry: &NewExecutionLog<'_>) -> Result<(), Error> {
        self.0.transaction(|tx| tx.execution_logs().append(entry).map(drop))
    }

    fn fill(&self, order: &Order, quantity: i32, price: &str, venue: &str) -> Result<(), Error> {
        let fill = NewFill {
            order_id: order.id,
            timestamp: Utc::now(),
            quantity_filled: quantity,
            price_at_fill: price.parse()?,
            venue,
            commission: "0.35".parse()?,
        };
        self.0.transaction(|tx| tx.fills().record(&fill).map(drop))
    }

    fn order(&self, order: &Order) -> Result<Order, Error> {
        self.0.transaction(|tx| tx.orders().get(order.id))
    }
}

fn show(blotter: &Blotter, ada: &Trader, out: &mut impl Write) -> Result<(), Failure> {
    let (orders, fills, log) = blotter.trader(ada.id)?.snapshot(|tx| {
        Ok::<_, Error>((
            tx.orders().recent(&Filter::default(), ALL)?.rows,
            tx.fills().recent(&Filter::default(), ALL)?.rows,
            tx.execution_logs().trail(&Filter::default(), ALL)?.rows,
        ))
    })?;
    writeln!(out, "\n{}'s orders, newest first", ada.name)?;
    output::table(out, &orders, Ids::Short)?;
    writeln!(out, "\nFills, newest first")?;
    output::table(out, &fills, Ids::Short)?;
    writeln!(out, "\nAudit trail, oldest first")?;
    output::table(out, &log, Ids::Short)
}

fn show_refusals(
    blotter: &Blotter,
    ada: &Trader,
    grace: &Trader,
    filled: &Order,
    out: &mut impl Write,
) -> Result<(), Failure> {
    writeln!(out, "\nRefused to {}", ada.name)?;
    let desk = Desk(blotter.trader(ada.id)?);
    let open = desk.0.transaction(|tx| tx.orders().open(ada.id, ALL))?.rows;
    let over_fill = open.first().map(|open| desk.fill(open, open.quantity + 1, "198.00", "NYSE"));
    let cancel = NewExecutionLog::new(filled.id, Action::Cancelled);
    let refusals = [
        "10.005".parse::<Price>().err(),
        desk.submit(&NewOrder::market(ada.id, "AAPL", 0)).err(),
        over_fill.and_then(Result::err),
        desk.log(&cancel).err(),
        desk.submit(&NewOrder::market(grace.id, "AAPL", 1)).err(),
    ];
    for refusal in refusals.into_iter().flatten() {
        writeln!(out, "  {refusal}")?;
    }
    Ok(())
}

fn show_isolation(
    blotter: &Blotter,
    ada: &Trader,
    grace: &Trader,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let (orders, fills, log) = blotter.trader(grace.id)?.transaction(|tx| {
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

/// Where the demo plays: a private server, or a database made for it on a server that is running.
struct Stage {
    what: String,
    url: String,
    scratch: Option<Scratch>,
    _server: Option<Server>,
}

/// A database that is dropped with this value, and perhaps a role of the same name.
struct Scratch {
    name: String,
    server_url: String,
}

impl Stage {
    fn set(database_url: Option<&str>) -> Result<Self, Failure> {
        let Some(server_url) = database_url else {
            let server = Server::start()?;
            return Ok(Self {
                what: "A private PostgreSQL, started for this demo".to_owned(),
                url: server.url().to_owned(),
                scratch: None,
                _server: Some(server),
            });
        };
        let name = format!("blotter_demo_{}", Uuid::now_v7().simple());
        connect(server_url)?
            .batch_execute(&format!("CREATE DATABASE {name}"))
            .map_err(Error::from)?;
        Ok(Self {
            what: format!("Database {name}, created for this demo"),
            url: with_parameter(server_url, "dbname", &name),
            scratch: Some(Scratch { name, server_url: server_url.to_owned() }),
            _server: None,
        })
    }

    /// The URL to trade with. Row security does not hold a superuser, and there would be nothing to
    /// see; so a superuser puts on an ordinary role for the demo.
    fn audience_url(&self) -> Result<String, Failure> {
        let Some(Scratch { name, .. }) = &self.scratch else {
            return Ok(self.url.clone());
        };
        let blotter = Blotter::connect(&self.url)?;
        if !blotter.passes_row_security()? {
            return Ok(self.url.clone());
        }
        connect(&self.url)?
            .batch_execute(&format!(
                "CREATE ROLE {name}; GRANT ALL ON ALL TABLES IN SCHEMA public TO {name}"
            ))
            .map_err(Error::from)?;
        Ok(with_parameter(&self.url, "options", &format!("-crole={name}")))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let Ok(mut conn) = connect(&self.server_url) else {
            return;
        };
        // There is nobody left to tell if it can't be dropped.
        let _ = conn.batch_execute(&format!("DROP DATABASE {} WITH (FORCE)", self.name));
        let _ = conn.batch_execute(&format!("DROP ROLE IF EXISTS {}", self.name));
    }
}

/// Sets a parameter of a URL or keyword string; libpq takes the last of several. The values here
/// need no quoting but for the `=` of a URL.
fn with_parameter(url: &str, name: &str, value: &str) -> String {
    if url.contains("://") {
        let separator = if url.contains('?') { '&' } else { '?' };
        format!("{url}{separator}{name}={}", value.replace('=', "%3D"))
    } else {
        format!("{url} {name}='{value}'")
    }
}
