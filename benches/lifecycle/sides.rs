//! The three clients that are held against each other. Each does the same: an order of 100 shares, a
//! fill of 40 and one of 60, in three transactions.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Barrier;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use postgres::{Client, Config, NoTls, Statement, Transaction};
use tradeblotter::embedded::Server;
use tradeblotter::{Blotter, NewFill, NewOrder, Session, Side as Way, role};
use uuid::Uuid;

pub type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// Lifecycles of each client before those that count: the statements are prepared, and PostgreSQL has
/// decided whether it keeps their plans.
pub const WARM_UP: usize = 10;

pub const SCHEMA_WRITER: &str = "base_writer";
pub const BASE: &str = "base";

const SCRIPT: &str = include_str!("pgbench.sql");

/// What a fill is of.
const FILLS: [(i32, &str, &str); 2] = [(40, "150.20", "0.40"), (60, "150.25", "0.60")];

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Side {
    Library,
    Pgbench,
    HandWritten,
}

/// How long a run takes.
#[derive(Clone, Copy)]
pub enum Extent {
    Time(Duration),
    /// Lifecycles of each client, beyond those that warm up.
    Count(usize),
}

/// What clients have done.
#[derive(Default)]
pub struct Run {
    /// Of each lifecycle that counts.
    pub latencies: Vec<Duration>,
    /// Lifecycles in all.
    pub done: usize,
}

/// The databases, and how to come to them.
pub struct Place {
    /// Where the socket is.
    pub directory: PathBuf,
    /// The logins of the library.
    pub trader: String,
    pub engine: String,
    /// The login of the others.
    pub writer: String,
    /// None where it is not installed.
    pub pgbench: Option<PathBuf>,
}

/// A trader for each client: those of one would wait for each other's lock on its row.
pub fn trader(client: usize) -> Uuid {
    Uuid::from_u128(client as u128 + 1)
}

impl Side {
    pub fn name(self) -> &'static str {
        match self {
            Self::Library => "library",
            Self::Pgbench => "pgbench",
            Self::HandWritten => "hand-written",
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
                let desk = Blotter::connect(&place.trader)?;
                let engine = Blotter::connect(&place.engine)?.engine();
                drive(clients, extent, |client| {
                    let desk = desk.trader(trader(client))?;
                    let engine = engine.clone();
                    Ok(move || through_library(&desk, &engine, trader(client)))
                })
            }
            Self::HandWritten => drive(clients, extent, |client| {
                let mut hand_written = HandWritten::connect(&place.directory)?;
                Ok(move || hand_written.lifecycle(trader(client)))
            }),
            Self::Pgbench => match &place.pgbench {
                Some(program) => pgbench(server, program, &place.writer, clients, extent),
                None => Err("pgbench is not installed".into()),
            },
        }
    }
}

/// Has each client, as `connect` makes it, go through lifecycles, all at the same time.
fn drive<L: FnMut() -> Outcome<()> + Send>(
    clients: usize,
    extent: Extent,
    connect: impl Fn(usize) -> Outcome<L>,
) -> Outcome<Run> {
    let barrier = &Barrier::new(clients);
    let lifecycles = (0..clients).map(connect).collect::<Outcome<Vec<_>>>()?;
    thread::scope(|scope| {
        let threads: Vec<_> = lifecycles
            .into_iter()
            .map(|lifecycle| scope.spawn(move || repeat(lifecycle, extent, barrier)))
            .collect();
        let mut run = Run::default();
        for thread in threads {
            let latencies = thread.join().map_err(|_| "a client panicked")??;
            run.done += WARM_UP + latencies.len();
            run.latencies.extend(latencies);
        }
        Ok(run)
    })
}

fn repeat(
    mut lifecycle: impl FnMut() -> Outcome<()>,
    extent: Extent,
    barrier: &Barrier,
) -> Outcome<Vec<Duration>> {
    let warmed = (0..WARM_UP).try_for_each(|_| lifecycle());
    barrier.wait();
    warmed?;
    let (begun, mut latencies) = (Instant::now(), Vec::new());
    loop {
        let goes_on = match extent {
            Extent::Time(time) => begun.elapsed() < time,
            Extent::Count(count) => latencies.len() < count,
        };
        if !goes_on {
            return Ok(latencies);
        }
        let started = Instant::now();
        lifecycle()?;
        latencies.push(started.elapsed());
    }
}

/// An id as it would come from outside.
fn next_id(prefix: char) -> String {
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
    update: Statement,
    fill: Statement,
    log: Statement,
}

impl HandWritten {
    fn connect(directory: &Path) -> Outcome<Self> {
        let mut client =
            Config::new().user(SCHEMA_WRITER).dbname(BASE).host_path(directory).connect(NoTls)?;
        Ok(Self {
            order: client.prepare(
                "INSERT INTO orders (id, trader_id, symbol, quantity, order_type, price)
                 VALUES ($1, $2, $3, $4, 'LIMIT', $5::text::numeric)
                 RETURNING status::text, created_at",
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
    fs::write(&script, SCRIPT)?;
    let extent = match extent {
        Extent::Time(time) => format!("--time={}", time.as_secs().max(1)),
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
