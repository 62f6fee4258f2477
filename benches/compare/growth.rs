//! Costs of reads, export, storage and writes in a dataset that grows.

use std::io;
use std::time::Instant;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use tradeblotter::embedded::Server;
use tradeblotter::role::Reader;
use tradeblotter::{Filter, Session, connect, ingest, migrations};

use crate::clients::{Outcome, RunLength, run_clients};
use crate::databases::{Databases, in_database, insert_traders, number, pool, set_fsync};
use crate::dataset;
use crate::reads::{READS, Read, Subject};
use crate::report::{Report, quantile};
use crate::{Options, batch, lifecycle};

const CLIENTS: [usize; 3] = [1, 8, 32];

const DATABASE: &str = "growth";

const TRADERS: u64 = 2000;

/// Reads of each client before the measured ones: PostgreSQL decides after five between custom and generic plans.
const WARM_UP: usize = 10;

/// Greatest ratio of a read with row-level security to the same read without.
const MAX_RLS_RATIO: f64 = 1.1;

/// Greatest ratio of a duration in the largest dataset to that in the smallest.
const MAX_GROWTH: f64 = 1.5;

/// Budget of each read in milliseconds; the goal is a hundredth of it.
const BUDGETS: [(&str, f64); 4] = [
    ("50 recent orders", 200.0),
    ("50 open orders", 100.0),
    ("fills of one order", 50.0),
    ("audit trail of all orders", 500.0),
];

/// Median latency of each operation with one client, in milliseconds.
type Medians = Vec<(&'static str, f64)>;

/// Grows a dataset from size to size, and measures at each.
pub fn measure(
    server: &Server,
    databases: &Databases,
    options: &Options,
    report: &mut Report,
) -> Outcome<()> {
    let url = in_database(server.url(), DATABASE);
    connect(&server.admin_url())?
        .batch_execute(&format!("CREATE DATABASE {DATABASE} OWNER blotter"))?;
    migrations::run(&mut connect(&url)?)?;
    let admin = &mut connect(&in_database(&server.admin_url(), DATABASE))?;
    insert_traders(admin)?;
    let databases = databases.with_library_in(DATABASE);
    let mut stored = 0;
    let mut smallest: Option<Medians> = None;
    for &orders in &options.sizes {
        load(admin, stored, orders)?;
        stored = orders;
        disk(admin, orders, report)?;
        let mut medians = reads(admin, &databases, options, orders, report)?;
        export(&databases, options, orders, report)?;
        medians.push(("lifecycle", lifecycle::grown(server, &databases, options, orders, report)?));
        medians.push(("batch of fills", batch::grown(&databases, options, orders, report)?));
        match &smallest {
            None => smallest = Some(medians),
            Some(smallest) if Some(&orders) == options.sizes.last() => {
                for ((what, median), (_, at_first)) in medians.iter().zip(smallest) {
                    let goal = format!("{what}: {orders} orders to {}", options.sizes[0]);
                    report.at_most(goal, median / at_first, MAX_GROWTH);
                }
            }
            Some(_) => {}
        }
    }
    Ok(())
}

/// Grows the dataset with fsync off: if the machine crashes, it is loaded again.
fn load(admin: &mut PgConnection, stored: u64, orders: u64) -> Outcome<()> {
    let begun = Instant::now();
    set_fsync(admin, false)?;
    dataset::grow(admin, stored, orders, TRADERS)?;
    set_fsync(admin, true)?;
    println!("{orders} orders loaded in {:.0} s", begun.elapsed().as_secs_f64());
    Ok(())
}

/// Measures the bytes on disk per order.
fn disk(admin: &mut PgConnection, orders: u64, report: &mut Report) -> Outcome<()> {
    for tables in ["orders", "fills", "execution_logs", "orders,fills,execution_logs"] {
        let mut sum_over_tables = |what: &str| {
            let query = format!(
                "SELECT sum({what})::bigint AS number
                 FROM pg_class WHERE oid = ANY (string_to_array('{tables}', ',')::regclass[])"
            );
            number(admin, &query)
        };
        let rows = sum_over_tables("reltuples::bigint")?;
        let each = |bytes: i64| format!("{:.0}", bytes as f64 / orders as f64);
        let (table, index) =
            (sum_over_tables("pg_table_size(oid)")?, sum_over_tables("pg_indexes_size(oid)")?);
        let name = if tables.contains(',') { "all" } else { tables };
        let [orders, rows] = [orders.to_string(), rows.to_string()];
        report.disk.add([orders, name.to_owned(), rows, each(table), each(index)]);
    }
    Ok(())
}

/// Measures each read with and without row-level security, in turn. Without means that the role of the engine's
/// sessions is given BYPASSRLS meanwhile.
fn reads(
    admin: &mut PgConnection,
    databases: &Databases,
    options: &Options,
    orders: u64,
    report: &mut Report,
) -> Outcome<Medians> {
    let subject = &Subject::find(admin, 0)?;
    println!("reads of a trader with {}", subject.name);
    let mut medians = Medians::new();
    let mut worst = ("", 0.0);
    admin.batch_execute("ALTER ROLE blotter_engine BYPASSRLS")?;
    for clients in CLIENTS {
        let with_rls = pool(&databases.trader, clients)?.trader(subject.trader)?.reader();
        let without_rls = pool(&databases.engine, clients)?.engine().reader();
        for read in &READS {
            let rows = with_rls.transaction(|tx| (read.run)(tx, subject))?;
            let mut samples = [Samples::default(), Samples::default()];
            for _ in 0..options.rounds {
                let runs = run_clients(clients, WARM_UP, RunLength::Time(options.slice), |_| {
                    Ok([&with_rls, &without_rls].map(|session| call(session, read, subject)))
                })?;
                for (samples, run) in samples.iter_mut().zip(runs) {
                    samples.rates.push(run.rate(clients));
                    samples.latencies.extend(run.milliseconds());
                }
            }
            let [with_rls, without_rls] = samples;
            let ratio = with_rls.median() / without_rls.median();
            for (name, samples, ratio) in
                [("on", &with_rls, format!("{ratio:.2}")), ("off", &without_rls, String::new())]
            {
                report.reads.add([
                    orders.to_string(),
                    clients.to_string(),
                    read.name.to_owned(),
                    rows.to_string(),
                    name.to_owned(),
                    format!("{:.0}", samples.rate()),
                    format!("{:.0}", samples.rate() * rows as f64),
                    format!("{:.3}", samples.median()),
                    format!("{:.3}", quantile(&samples.latencies, 0.99)),
                    ratio,
                ]);
            }
            if clients == 1 {
                medians.push((read.name, with_rls.median()));
                worst = if ratio > worst.1 { (read.name, ratio) } else { worst };
            }
        }
    }
    admin.batch_execute("ALTER ROLE blotter_engine NOBYPASSRLS")?;
    let (read, ratio) = worst;
    let goal = format!("row security, {orders} orders: slowest read ({read}), to without");
    report.at_most(goal, ratio, MAX_RLS_RATIO);
    if Some(&orders) == options.sizes.last() {
        for (read, budget) in BUDGETS {
            let median = medians.iter().find(|(name, _)| *name == read);
            let median = median.map_or(f64::NAN, |(_, median)| *median);
            let goal = format!("{read}, {orders} orders: milliseconds, a hundredth of {budget}");
            report.at_most(goal, median, budget / 100.0);
        }
    }
    Ok(medians)
}

fn call(
    session: &Session<Reader>,
    read: &Read,
    subject: &Subject,
) -> impl FnMut() -> Outcome<()> + Send {
    || {
        session.transaction(|tx| (read.run)(tx, subject))?;
        Ok(())
    }
}

#[derive(Default)]
struct Samples {
    rates: Vec<f64>,
    /// Milliseconds.
    latencies: Vec<f64>,
}

impl Samples {
    fn rate(&self) -> f64 {
        quantile(&self.rates, 0.5)
    }

    fn median(&self) -> f64 {
        quantile(&self.latencies, 0.5)
    }
}

/// Why an export stops early.
enum Stop {
    Enough,
    Failed(Box<dyn std::error::Error + Send + Sync>),
}

impl From<tradeblotter::Error> for Stop {
    fn from(error: tradeblotter::Error) -> Self {
        Self::Failed(error.into())
    }
}

/// Measures an export of the log as compliance runs it, and a COPY of the same number of its rows alone.
fn export(
    databases: &Databases,
    options: &Options,
    orders: u64,
    report: &mut Report,
) -> Outcome<()> {
    let begun = Instant::now();
    let mut events = 0;
    let exported = pool(&databases.compliance, 1)?.compliance().snapshot(|tx| {
        ingest::export(tx, &Filter::default(), |event| {
            events += 1;
            ingest::Ndjson::write(event, &mut io::sink())
                .map_err(|error| Stop::Failed(error.into()))?;
            if events < options.exported { Ok(()) } else { Err(Stop::Enough) }
        })
    });
    if let Err(Stop::Failed(error)) = exported {
        return Err(error);
    }
    let mut add = |by: &str, seconds: f64| {
        let rate = events as f64 / seconds;
        let [orders, by] = [orders.to_string(), by.to_owned()];
        report.export.add([orders, by, events.to_string(), format!("{rate:.0}")]);
    };
    add("library, NDJSON", begun.elapsed().as_secs_f64());
    let begun = Instant::now();
    let mut client = databases.superuser_client(DATABASE)?;
    let mut rows = client.copy_out(&format!(
        "COPY (SELECT * FROM execution_logs ORDER BY sequence LIMIT {events}) TO STDOUT"
    ))?;
    io::copy(&mut rows, &mut io::sink())?;
    add("COPY of the log alone", begun.elapsed().as_secs_f64());
    Ok(())
}
