//! What it costs to read, to export, to keep and to add to a book, as it grows.

use std::io;
use std::time::Instant;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use tradeblotter::embedded::Server;
use tradeblotter::role::Reader;
use tradeblotter::{Filter, Session, connect, ingest, migrations};

use crate::book;
use crate::drive::{Extent, Outcome, drive};
use crate::place::{Place, in_database, number, pool, register, set_fsync};
use crate::reads::{READS, Read, Subject};
use crate::report::{Report, quantile};
use crate::{Options, batch, lifecycle};

const CLIENTS: [usize; 3] = [1, 8, 32];

const BOOK: &str = "book";

const TRADERS: u64 = 2000;

/// Reads of each client before those that count: PostgreSQL decides after five whether it keeps a plan.
const WARM_UP: usize = 10;

/// How many times as long a read may take under row security.
const RATIO: f64 = 1.1;

/// How many times as long something may take in the largest book as in the smallest.
const GROWTH: f64 = 1.5;

/// Milliseconds that a read may take at most, of which it is to take a hundredth.
const BUDGETS: [(&str, f64); 4] = [
    ("50 recent orders", 200.0),
    ("50 open orders", 100.0),
    ("fills of one order", 50.0),
    ("audit trail of all orders", 500.0),
];

/// Milliseconds that one client waits for each thing it does, half of the time.
type Medians = Vec<(&'static str, f64)>;

/// Lets a book grow from size to size, and measures at each.
pub fn measure(
    server: &Server,
    place: &Place,
    options: &Options,
    report: &mut Report,
) -> Outcome<()> {
    let url = in_database(server.url(), BOOK);
    connect(&server.admin_url())?
        .batch_execute(&format!("CREATE DATABASE {BOOK} OWNER blotter"))?;
    migrations::run(&mut connect(&url)?)?;
    let admin = &mut connect(&in_database(&server.admin_url(), BOOK))?;
    register(admin)?;
    let place = place.with_library_in(BOOK);
    let mut stored = 0;
    let mut smallest: Option<Medians> = None;
    for &orders in &options.sizes {
        load(admin, stored, orders)?;
        stored = orders;
        disk(admin, orders, report)?;
        let mut medians = reads(admin, &place, options, orders, report)?;
        export(&place, options, orders, report)?;
        medians.push(("lifecycle", lifecycle::grown(server, &place, options, orders, report)?));
        medians.push(("batch of fills", batch::grown(&place, options, orders, report)?));
        match &smallest {
            None => smallest = Some(medians),
            Some(smallest) if Some(&orders) == options.sizes.last() => {
                for ((what, median), (_, at_first)) in medians.iter().zip(smallest) {
                    let goal = format!("{what}: {orders} orders to {}", options.sizes[0]);
                    report.at_most(goal, median / at_first, GROWTH);
                }
            }
            Some(_) => {}
        }
    }
    Ok(())
}

/// Without fsync: what is loaded is made again if the machine fails.
fn load(admin: &mut PgConnection, stored: u64, orders: u64) -> Outcome<()> {
    let begun = Instant::now();
    set_fsync(admin, false)?;
    book::grow(admin, stored, orders, TRADERS)?;
    set_fsync(admin, true)?;
    println!("{orders} orders stand after {:.0} s", begun.elapsed().as_secs_f64());
    Ok(())
}

/// Bytes to an order.
fn disk(admin: &mut PgConnection, orders: u64, report: &mut Report) -> Outcome<()> {
    for tables in ["orders", "fills", "execution_logs", "orders,fills,execution_logs"] {
        let mut of_tables = |what: &str| {
            let query = format!(
                "SELECT sum({what})::bigint AS number
                 FROM pg_class WHERE oid = ANY (string_to_array('{tables}', ',')::regclass[])"
            );
            number(admin, &query)
        };
        let rows = of_tables("reltuples::bigint")?;
        let each = |bytes: i64| format!("{:.0}", bytes as f64 / orders as f64);
        let (table, index) = (of_tables("pg_table_size(oid)")?, of_tables("pg_indexes_size(oid)")?);
        let name = if tables.contains(',') { "all" } else { tables };
        let [orders, rows] = [orders.to_string(), rows.to_string()];
        report.disk.add([orders, name.to_owned(), rows, each(table), each(index)]);
    }
    Ok(())
}

/// Each read under row security and without, in turn. Without: the role that the engine's sessions act as
/// may pass it for the time being.
fn reads(
    admin: &mut PgConnection,
    place: &Place,
    options: &Options,
    orders: u64,
    report: &mut Report,
) -> Outcome<Medians> {
    let subject = &Subject::find(admin, 0)?;
    println!("reads are those of a trader of {}", subject.name);
    let mut medians = Medians::new();
    let mut worst = ("", 0.0);
    admin.batch_execute("ALTER ROLE blotter_engine BYPASSRLS")?;
    for clients in CLIENTS {
        let held = pool(&place.trader, clients)?.trader(subject.trader)?.reader();
        let passing = pool(&place.engine, clients)?.engine().reader();
        for read in &READS {
            let rows = held.transaction(|tx| (read.run)(tx, subject))?;
            let mut samples = [Samples::default(), Samples::default()];
            for _ in 0..options.rounds {
                let runs = drive(clients, WARM_UP, Extent::Time(options.slice), |_| {
                    Ok([&held, &passing].map(|session| of(session, read, subject)))
                })?;
                for (samples, run) in samples.iter_mut().zip(runs) {
                    samples.rates.push(run.rate(clients));
                    samples.latencies.extend(run.milliseconds());
                }
            }
            let [held, passing] = samples;
            let ratio = held.median() / passing.median();
            for (name, samples, ratio) in
                [("on", &held, format!("{ratio:.2}")), ("off", &passing, String::new())]
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
                medians.push((read.name, held.median()));
                worst = if ratio > worst.1 { (read.name, ratio) } else { worst };
            }
        }
    }
    admin.batch_execute("ALTER ROLE blotter_engine NOBYPASSRLS")?;
    let (read, ratio) = worst;
    let goal =
        format!("row security, {orders} orders: the read it costs most ({read}), to without");
    report.at_most(goal, ratio, RATIO);
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

fn of(
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

/// Why an export ends.
enum Stop {
    Enough,
    Failed(Box<dyn std::error::Error + Send + Sync>),
}

impl From<tradeblotter::Error> for Stop {
    fn from(error: tradeblotter::Error) -> Self {
        Self::Failed(error.into())
    }
}

/// The log as compliance takes it out, and a COPY of as many of its rows with nothing about them.
fn export(place: &Place, options: &Options, orders: u64, report: &mut Report) -> Outcome<()> {
    let begun = Instant::now();
    let mut events = 0;
    let exported = pool(&place.compliance, 1)?.compliance().snapshot(|tx| {
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
    let mut client = place.superuser_client(BOOK)?;
    let mut rows = client.copy_out(&format!(
        "COPY (SELECT * FROM execution_logs ORDER BY sequence LIMIT {events}) TO STDOUT"
    ))?;
    io::copy(&mut rows, &mut io::sink())?;
    add("COPY of the log alone", begun.elapsed().as_secs_f64());
    Ok(())
}
