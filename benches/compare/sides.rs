//! The clients that are held against each other. Each does the same: an order of 100 shares, its way to
//! the venue, a fill of 40 and one of 60, in four transactions.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use chrono::{DateTime, Utc};
use postgres::{Client, Statement, Transaction};
use tradeblotter::embedded::Server;
use tradeblotter::{Action, NewExecutionLog, NewFill, NewOrder, Session, Side as Way, role};
use uuid::Uuid;

use crate::drive::{Extent, Outcome, Run, drive};
use crate::place::{Place, pool, trader};

/// Lifecycles of each client before those that count: the statements are prepared, and PostgreSQL has
/// decided whether it keeps their plans.
pub const WARM_UP: usize = 10;

const PGBENCH_SCRIPT: &str = include_str!("pgbench.sql");
const ORM_SCRIPT: &str = include_str!("orm.py");

/// What a fill is of.
pub const FILLS: [(i32, &str, &str); 2] = [(40, "150.20", "0.40"), (60, "150.25", "0.60")];

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Side {
    Library,
    Pgbench,
    HandWritten,
    SqlAlchemy,
}

impl Side {
    pub fn name(self) -> &'static str {
        match self {
            Self::Library => "library",
            Self::Pgbench => "pgbench",
            Self::HandWritten => "hand-written",
            Self::SqlAlchemy => "SQLAlchemy",
        }
    }

    pub fn run(
        self,
        server: &Server,
        place: &Place,
        clients: usize,
        extent: Extent,
    ) -> Outcome<Run> {
        match self {
            Self::Library => {
                let desk = pool(&place.trader, clients)?;
                let engine = pool(&place.engine, clients)?.engine();
                drive(clients, WARM_UP, extent, |client| {
                    let desk = desk.trader(trader(client))?;
                    let engine = engine.clone();
                    Ok([move || through_library(&desk, &engine, trader(client))])
                })
                .map(|[run]| run)
            }
            Self::HandWritten => drive(clients, WARM_UP, extent, |client| {
                let mut hand_written = HandWritten::connect(place)?;
                Ok([move || hand_written.lifecycle(trader(client))])
            })
            .map(|[run]| run),
            Self::Pgbench => match &place.pgbench {
                Some(program) => pgbench(server, program, &place.writer, clients, extent),
                None => Err("pgbench is not installed".into()),
            },
            Self::SqlAlchemy => match &place.python {
                Some(program) => sqlalchemy(server, program, &place.writer, clients, extent),
                None => Err("no Python is given".into()),
            },
        }
    }
}

/// An id as it would come from outside.
pub fn next_id(prefix: char) -> String {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    format!("{prefix}{:010}", NUMBER.fetch_add(1, Ordering::Relaxed))
}

fn through_library(
    desk: &Session<role::Trader>,
    engine: &Session<role::Engine>,
    trader: Uuid,
) -> Outcome<()> {
    let price = "150.25".parse()?;
    let client_order_id = next_id('C');
    let order = desk.transaction(|tx| {
        tx.orders().submit(&NewOrder {
            client_order_id: Some(&client_order_id),
            ..NewOrder::limit(trader, Way::Buy, "AAPL", 100, price)
        })
    })?;
    engine.transaction(|tx| {
        tx.execution_logs().append(&NewExecutionLog::new(order.id, Action::Executed))
    })?;
    for (quantity_filled, price, commission) in FILLS {
        let execution_id = next_id('E');
        let (price_at_fill, commission) = (price.parse()?, commission.parse()?);
        let timestamp = Utc::now();
        engine.transaction(|tx| {
            tx.fills().record(&NewFill {
                order_id: order.id,
                timestamp,
                quantity_filled,
                price_at_fill,
                venue: "NASDAQ",
                commission,
                execution_id: Some(&execution_id),
            })
        })?;
    }
    Ok(())
}

/// A client of the base schema as one writes it who knows both: the statements are prepared once, and
/// the arithmetic is left to the UPDATE.
struct HandWritten {
    client: Client,
    order: Statement,
    route: Statement,
    update: Statement,
    fill: Statement,
    log: Statement,
}

impl HandWritten {
    fn connect(place: &Place) -> Outcome<Self> {
        let mut client = place.writer_client()?;
        Ok(Self {
            order: client.prepare(
                "INSERT INTO orders (id, trader_id, symbol, quantity, order_type, price)
                 VALUES ($1, $2, $3, $4, 'LIMIT', $5::text::numeric)
                 RETURNING status::text, created_at",
            )?,
            route: client.prepare(
                "UPDATE orders SET updated_at = now()
                 WHERE id = $1 AND status IN ('PENDING', 'PARTIAL') RETURNING status::text",
            )?,
            update: client.prepare(
                "UPDATE orders SET
                     filled_quantity = filled_quantity + $2,
                     average_fill_price =
                         (coalesce(average_fill_price * filled_quantity, 0) + $2 * $3::text::numeric)
                         / (filled_quantity + $2),
                     status = CASE
                         WHEN filled_quantity + $2 = quantity THEN 'FILLED' ELSE 'PARTIAL'
                     END::order_status_enum,
                     updated_at = now()
                 WHERE id = $1 AND status IN ('PENDING', 'PARTIAL')
                     AND filled_quantity + $2 <= quantity
                 RETURNING status::text",
            )?,
            fill: client.prepare(
                "INSERT INTO fills (
                     id, order_id, timestamp, quantity_filled, price_at_fill, venue, commission
                 ) VALUES ($1, $2, $3, $4, $5::text::numeric, $6, $7::text::numeric)",
            )?,
            log: client.prepare(
                "INSERT INTO execution_logs (id, order_id, trader_id, action, status)
                 VALUES ($1, $2, $3, $4::text::action_enum, $5::text::order_status_enum)",
            )?,
            client,
        })
    }

    fn lifecycle(&mut self, trader: Uuid) -> Outcome<()> {
        let order = Uuid::now_v7();
        let mut tx = self.client.transaction()?;
        let row = tx.query_one(&self.order, &[&order, &trader, &"AAPL", &100, &"150.25"])?;
        let status: String = row.try_get(0)?;
        row.try_get::<_, DateTime<Utc>>(1)?;
        log(&mut tx, &self.log, order, trader, "SUBMITTED", &status)?;
        tx.commit()?;
        let mut tx = self.client.transaction()?;
        let Some(row) = tx.query_opt(&self.route, &[&order])? else {
            return Err("the order has ended".into());
        };
        let status: String = row.try_get(0)?;
        log(&mut tx, &self.log, order, trader, "EXECUTED", &status)?;
        tx.commit()?;
        for (quantity, price, commission) in FILLS {
            let mut tx = self.client.transaction()?;
            let Some(row) = tx.query_opt(&self.update, &[&order, &quantity, &price])? else {
                return Err("the order does not take this fill".into());
            };
            let status: String = row.try_get(0)?;
            let (id, at) = (Uuid::now_v7(), Utc::now());
            tx.execute(&self.fill, &[&id, &order, &at, &quantity, &price, &"NASDAQ", &commission])?;
            log(&mut tx, &self.log, order, trader, "FILLED", &status)?;
            tx.commit()?;
        }
        Ok(())
    }
}

fn log(
    tx: &mut Transaction<'_>,
    statement: &Statement,
    order: Uuid,
    trader: Uuid,
    action: &str,
    status: &str,
) -> Outcome<()> {
    tx.execute(statement, &[&Uuid::now_v7(), &order, &trader, &action, &status])?;
    Ok(())
}

fn pgbench(
    server: &Server,
    program: &Path,
    url: &str,
    clients: usize,
    extent: Extent,
) -> Outcome<Run> {
    let scratch = tempfile::tempdir()?;
    let script = scratch.path().join("script.sql");
    fs::write(&script, PGBENCH_SCRIPT)?;
    let extent = match extent {
        // And a second to warm up in, which many clients need.
        Extent::Time(time) => format!("--time={}", time.as_secs() + 1),
        Extent::Count(count) => format!("--transactions={}", WARM_UP + count),
    };
    let threads = thread::available_parallelism()?.get().min(clients);
    let log = scratch.path().join("log");
    let output = server
        .command(program)
        .args(["--no-vacuum", "--protocol=prepared", "--log", &extent])
        .args([format!("--client={clients}"), format!("--jobs={threads}")])
        .arg(format!("--log-prefix={}", log.display()))
        .arg(format!("--file={}", script.display()))
        .arg(url)
        .output()?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(format!("pgbench: {}", said.trim()).into());
    }
    let mut run = Run::default();
    for entry in fs::read_dir(scratch.path())? {
        let path = entry?.path();
        if path != script {
            read_log(&fs::read_to_string(path)?, &mut run)?;
        }
    }
    Ok(run)
}

/// The script tells of its lifecycles as pgbench does.
fn sqlalchemy(
    server: &Server,
    program: &Path,
    url: &str,
    clients: usize,
    extent: Extent,
) -> Outcome<Run> {
    let scratch = tempfile::tempdir()?;
    let script = scratch.path().join("orm.py");
    fs::write(&script, ORM_SCRIPT)?;
    let extent = match extent {
        Extent::Time(time) => format!("--time={}", time.as_secs_f64()),
        Extent::Count(count) => format!("--transactions={count}"),
    };
    let output = server
        .command(program)
        .arg(script)
        .args([extent, format!("--client={clients}"), format!("--warm-up={WARM_UP}")])
        .arg(url)
        .output()?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(format!("SQLAlchemy: {}", said.trim()).into());
    }
    let mut run = Run::default();
    read_log(&String::from_utf8_lossy(&output.stdout), &mut run)?;
    Ok(run)
}

/// A line for each lifecycle: the client, the number of the lifecycle, its microseconds, and more.
fn read_log(log: &str, run: &mut Run) -> Outcome<()> {
    for line in log.lines() {
        let mut fields = line.split(' ').skip(1).map(str::parse);
        let (Some(number), Some(latency)) = (fields.next(), fields.next()) else {
            return Err(format!("pgbench logged {line:?}").into());
        };
        run.done += 1;
        // Counted from 0.
        if number? >= WARM_UP as u64 {
            run.latencies.push(Duration::from_micros(latency?));
        }
    }
    Ok(())
}
