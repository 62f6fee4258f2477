//! The contenders of the comparison. Each does the same in four transactions: submit an order for 100 shares,
//! record that it was sent to the venue, record a fill of 40 and one of 60.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use chrono::{DateTime, Utc};
use postgres::types::ToSql;
use postgres::{Client, Statement, Transaction};
use tradeblotter::embedded::Server;
use tradeblotter::{NewAction, NewExecutionLog, NewFill, NewOrder, Session, Side, role};
use uuid::Uuid;

use crate::clients::{Outcome, Run, RunLength, run_clients};
use crate::databases::{Databases, pool, trader};

/// Lifecycles of each client before the measured ones. By then the statements are prepared, and PostgreSQL has
/// decided between custom and generic plans.
pub const WARM_UP: usize = 10;

const PGBENCH_SCRIPT: &str = include_str!("pgbench.sql");
const ORM_SCRIPT: &str = include_str!("orm.py");

/// Quantity, price and commission of each fill.
pub const FILLS: [(i32, &str, &str); 2] = [(40, "150.20", "0.40"), (60, "150.25", "0.60")];

/// A program that stores orders and fills.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Contender {
    Library,
    Pgbench,
    HandWritten(Rows),
    SqlAlchemy,
}

impl Contender {
    /// Returns the contenders whose programs are installed.
    pub fn available(databases: &Databases) -> Vec<Self> {
        let mut contenders =
            vec![Self::Library, Self::HandWritten(Rows::Same), Self::HandWritten(Rows::Base)];
        contenders.extend(databases.pgbench.is_some().then_some(Self::Pgbench));
        contenders.extend(databases.python.is_some().then_some(Self::SqlAlchemy));
        contenders
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Library => "library",
            Self::Pgbench => "pgbench",
            Self::HandWritten(Rows::Same) => "hand-written, same rows",
            Self::HandWritten(Rows::Base) => "hand-written, base schema",
            Self::SqlAlchemy => "SQLAlchemy",
        }
    }

    /// Runs lifecycles in `clients` concurrent clients.
    pub fn run(
        self,
        server: &Server,
        databases: &Databases,
        clients: usize,
        length: RunLength,
    ) -> Outcome<Run> {
        match self {
            Self::Library => {
                let desk = pool(&databases.trader, clients)?;
                let engine = pool(&databases.engine, clients)?.engine();
                run_clients(clients, WARM_UP, length, |client| {
                    let desk = desk.trader(trader(client))?;
                    let engine = engine.clone();
                    Ok([move || through_library(&desk, &engine, trader(client))])
                })
                .map(|[run]| run)
            }
            Self::HandWritten(rows) => run_clients(clients, WARM_UP, length, |client| {
                let mut hand_written = HandWritten::connect(databases, rows)?;
                Ok([move || hand_written.lifecycle(trader(client))])
            })
            .map(|[run]| run),
            Self::Pgbench => match &databases.pgbench {
                Some(program) => pgbench(server, program, &databases.writer, clients, length),
                None => Err("pgbench is not installed".into()),
            },
            Self::SqlAlchemy => match &databases.python {
                Some(program) => sqlalchemy(server, program, &databases.writer, clients, length),
                None => Err("no Python is given".into()),
            },
        }
    }
}

/// Returns an unused id, as a client or venue would assign it.
pub fn next_external_id(prefix: char) -> String {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    format!("{prefix}{:010}", NUMBER.fetch_add(1, Ordering::Relaxed))
}

pub fn through_library(
    desk: &Session<role::Trader>,
    engine: &Session<role::Engine>,
    trader: Uuid,
) -> Outcome<()> {
    let price = "150.25".parse()?;
    let client_order_id = next_external_id('C');
    let order = desk.transaction(|tx| {
        tx.orders().submit(&NewOrder {
            client_order_id: Some(&client_order_id),
            ..NewOrder::limit(trader, Side::Buy, "AAPL", 100, price)
        })
    })?;
    engine.transaction(|tx| {
        tx.execution_logs()
            .append(&NewExecutionLog::new(order.id, NewAction::Executed { venue_order_id: None }))
    })?;
    for (quantity_filled, price, commission) in FILLS {
        let execution_id = next_external_id('E');
        let (price_at_fill, commission) = (price.parse()?, commission.parse()?);
        let timestamp = Utc::now();
        engine.transaction(|tx| {
            tx.fills().record(&NewFill {
                order_id: order.id,
                timestamp,
                quantity_filled,
                price_at_fill,
                venue: "XNAS",
                commission,
                rebate: tradeblotter::Commission::default(),
                source: None,
                execution_id: Some(&execution_id),
            })
        })?;
    }
    Ok(())
}

/// The rows that a hand-written client stores.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Rows {
    /// Those of the base schema.
    Base,
    /// The same as the library's, in the same tables, with their triggers disabled.
    Same,
}

/// The statements of a hand-written client.
struct Sql {
    order: &'static str,
    update: &'static str,
    fill: &'static str,
    log: &'static str,
}

const ROUTE: &str = "UPDATE orders SET updated_at = now()
    WHERE id = $1 AND status IN ('PENDING', 'PARTIAL') RETURNING status::text";

const BASE_ROWS: Sql = Sql {
    order: "INSERT INTO orders (id, trader_id, symbol, quantity, order_type, price)
        VALUES ($1, $2, $3, $4, 'LIMIT', $5::text::numeric)
        RETURNING status::text, created_at",
    update: "UPDATE orders SET
            filled_quantity = filled_quantity + $2,
            average_fill_price =
                (coalesce(average_fill_price * filled_quantity, 0) + $2 * $3::text::numeric)
                / (filled_quantity + $2),
            status = CASE
                WHEN filled_quantity + $2 = quantity THEN 'FILLED' ELSE 'PARTIAL'
            END::order_status_enum,
            updated_at = now()
        WHERE id = $1 AND status IN ('PENDING', 'PARTIAL') AND filled_quantity + $2 <= quantity
        RETURNING status::text",
    fill: "INSERT INTO fills (id, order_id, timestamp, quantity_filled, price_at_fill, venue, commission)
        VALUES ($1, $2, $3, $4, $5::text::numeric, $6, $7::text::numeric)",
    log: "INSERT INTO execution_logs (id, order_id, trader_id, action, status)
        VALUES ($1, $2, $3, $4::text::action_enum, $5::text::order_status_enum)",
};

const SAME_ROWS: Sql = Sql {
    order: "INSERT INTO orders (
            id, root_id, trader_id, symbol, quantity, order_type, price, side, client_order_id
        ) VALUES ($1, $1, $2, $3, $4, 'LIMIT', $5::text::numeric, 'BUY', $6)
        ON CONFLICT DO NOTHING RETURNING status::text, created_at",
    update: "UPDATE orders SET
            filled_quantity = filled_quantity + $2,
            filled_notional = filled_notional + $2 * $3::text::numeric,
            average_fill_price = (filled_notional + $2 * $3::text::numeric) / (filled_quantity + $2),
            status = CASE
                WHEN filled_quantity + $2 = quantity THEN 'FILLED' ELSE 'PARTIAL'
            END::order_status_enum,
            updated_at = now()
        WHERE id = $1 AND status IN ('PENDING', 'PARTIAL') AND filled_quantity + $2 <= quantity
        RETURNING status::text",
    fill: "INSERT INTO fills (
            id, order_id, timestamp, quantity_filled, price_at_fill, venue, commission, root_id, trader_id,
            source, execution_id
        ) VALUES ($1, $2, $3, $4, $5::text::numeric, $6, $7::text::numeric, $2, $8, $6, $9)
        ON CONFLICT DO NOTHING",
    log: "INSERT INTO execution_logs (id, order_id, trader_id, action, status, sequence, fill_id)
        VALUES ($1, $2, $3, $4::text::action_enum, $5::text::order_status_enum,
            nextval('execution_logs_sequence'), $6)",
};

/// A hand-written, optimized client: statements are prepared once, and the UPDATE computes the totals.
struct HandWritten {
    client: Client,
    rows: Rows,
    order: Statement,
    route: Statement,
    update: Statement,
    fill: Statement,
    log: Statement,
}

type Values<'v> = Vec<&'v (dyn ToSql + Sync)>;

impl HandWritten {
    fn connect(databases: &Databases, rows: Rows) -> Outcome<Self> {
        let (mut client, sql) = match rows {
            Rows::Base => (databases.writer_client()?, BASE_ROWS),
            Rows::Same => (databases.same_rows_client()?, SAME_ROWS),
        };
        Ok(Self {
            rows,
            order: client.prepare(sql.order)?,
            route: client.prepare(ROUTE)?,
            update: client.prepare(sql.update)?,
            fill: client.prepare(sql.fill)?,
            log: client.prepare(sql.log)?,
            client,
        })
    }

    fn lifecycle(&mut self, trader: Uuid) -> Outcome<()> {
        let Self { rows, order: submit, route, update, fill, log, client } = self;
        let is_same = *rows == Rows::Same;
        let write_log = |tx: &mut Transaction<'_>,
                         order: Uuid,
                         action: &str,
                         status: &str,
                         of: Option<Uuid>| {
            let id = Uuid::now_v7();
            let mut values: Values<'_> = vec![&id, &order, &trader, &action, &status];
            if is_same {
                values.push(&of);
            }
            tx.execute(&*log, &values).map(drop)
        };
        let order = Uuid::now_v7();
        let mut tx = client.transaction()?;
        let client_order_id = next_external_id('S');
        let mut values: Values<'_> = vec![&order, &trader, &"AAPL", &100, &"150.25"];
        if is_same {
            values.push(&client_order_id);
        }
        let row = tx.query_one(&*submit, &values)?;
        let status: String = row.try_get(0)?;
        row.try_get::<_, DateTime<Utc>>(1)?;
        write_log(&mut tx, order, "SUBMITTED", &status, None)?;
        tx.commit()?;
        let mut tx = client.transaction()?;
        let Some(row) = tx.query_opt(&*route, &[&order])? else {
            return Err("the order has ended".into());
        };
        let status: String = row.try_get(0)?;
        write_log(&mut tx, order, "EXECUTED", &status, None)?;
        tx.commit()?;
        for (quantity, price, commission) in FILLS {
            let mut tx = client.transaction()?;
            let Some(row) = tx.query_opt(&*update, &[&order, &quantity, &price])? else {
                return Err("the order does not take this fill".into());
            };
            let status: String = row.try_get(0)?;
            let (id, at, execution_id) = (Uuid::now_v7(), Utc::now(), next_external_id('X'));
            let mut values: Values<'_> =
                vec![&id, &order, &at, &quantity, &price, &"XNAS", &commission];
            if is_same {
                values.extend([&trader as &(dyn ToSql + Sync), &execution_id]);
            }
            tx.execute(&*fill, &values)?;
            write_log(&mut tx, order, "FILLED", &status, Some(id))?;
            tx.commit()?;
        }
        Ok(())
    }
}

fn pgbench(
    server: &Server,
    program: &Path,
    url: &str,
    clients: usize,
    length: RunLength,
) -> Outcome<Run> {
    let scratch = tempfile::tempdir()?;
    let script = scratch.path().join("script.sql");
    fs::write(&script, PGBENCH_SCRIPT)?;
    let length = match length {
        // One more second to warm up, which many clients need.
        RunLength::Time(time) => format!("--time={}", time.as_secs() + 1),
        RunLength::Calls(count) => format!("--transactions={}", WARM_UP + count),
    };
    let threads = thread::available_parallelism()?.get().min(clients);
    let log = scratch.path().join("log");
    let output = server
        .command(program)
        .args(["--no-vacuum", "--protocol=prepared", "--log", &length])
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

/// Runs the SQLAlchemy script, which logs its lifecycles in the format of pgbench.
fn sqlalchemy(
    server: &Server,
    program: &Path,
    url: &str,
    clients: usize,
    length: RunLength,
) -> Outcome<Run> {
    let scratch = tempfile::tempdir()?;
    let script = scratch.path().join("orm.py");
    fs::write(&script, ORM_SCRIPT)?;
    let length = match length {
        RunLength::Time(time) => format!("--time={}", time.as_secs_f64()),
        RunLength::Calls(count) => format!("--transactions={count}"),
    };
    let output = server
        .command(program)
        .arg(script)
        .args([length, format!("--client={clients}"), format!("--warm-up={WARM_UP}")])
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

/// Reads a log with one line for each lifecycle: client, number of the lifecycle (from 0), microseconds, and
/// other fields.
fn read_log(log: &str, run: &mut Run) -> Outcome<()> {
    for line in log.lines() {
        let mut fields = line.split(' ').skip(1).map(str::parse);
        let (Some(number), Some(latency)) = (fields.next(), fields.next()) else {
            return Err(format!("pgbench logged {line:?}").into());
        };
        run.done += 1;
        if number? >= WARM_UP as u64 {
            run.latencies.push(Duration::from_micros(latency?));
        }
    }
    Ok(())
}
