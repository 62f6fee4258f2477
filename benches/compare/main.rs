//! Compares the cost of the store with that of other clients, and measures how it grows.
//!
//! Everything runs on one private server that writes to disk before it answers a COMMIT:
//!
//! - `lifecycle`: an order, its routing to the venue and two fills, each in its own transaction. The library
//!   works as in an application: on the migrated schema, under row-level security, with a session of the trader
//!   for the order and one of the engine for the rest. pgbench, a hand-written client and SQLAlchemy work on the
//!   base schema without row-level security, and do by statements what the library leaves to the database; another
//!   hand-written client stores the same rows as the library, in the same tables without their triggers. The
//!   contenders take turns of a few seconds, so that other load on the machine affects all of them. That, and
//!   that two of them are separate programs, is why no usual benchmark harness runs them.
//! - `batch`: batches of rows, compared with INSERT … SELECT FROM unnest into bare tables.
//! - `ingest`: execution reports from FIX, compared with a hand-written, set-based loader that stores the same rows;
//!   reports that are known; executions of unknown orders.
//! - `desks`: the lifecycle on desks: several on one server, on two servers, and on Citus where PGBIN has it.
//! - `growth`: the reads of a trader with and without row-level security, an export of the log, and the space on
//!   disk, in a dataset that grows.
//!
//! `cargo bench --bench compare -- [PART…] [OPTION…]` runs the named parts, or all of them:
//!
//! | option | effect |
//! |---|---|
//! | `--quick` | a small dataset and few rounds: a few minutes |
//! | `--orders 100000,1000000` | the sizes of the growing dataset, in orders |
//! | `--python PROGRAM` | a Python with SQLAlchemy, which is left out otherwise |
//! | `--out DIRECTORY` | write the tables as CSV |
//!
//! `scripts/bench` passes the last two. A missed goal is printed and is not a failure.

mod batch;
mod clients;
mod contenders;
mod databases;
#[path = "../common/dataset.rs"]
mod dataset;
mod desks;
mod growth;
mod ingest;
mod lifecycle;
mod machine;
mod proxy;
#[path = "../common/reads.rs"]
mod reads;
mod report;

use std::path::PathBuf;
use std::time::Duration;

use tradeblotter::connect;
use tradeblotter::embedded::Server;

use clients::Outcome;
use databases::{Databases, set_fsync};
use report::Report;

const PARTS: [&str; 5] = ["lifecycle", "batch", "ingest", "desks", "growth"];

const USAGE: &str = "usage: cargo bench --bench compare -- [lifecycle] [batch] [ingest] [desks] [growth] [--quick] \
                     [--orders N,…] [--python PROGRAM] [--out DIRECTORY]";

fn main() -> Outcome<()> {
    let options = Options::read()?;
    let server = Server::start()?;
    let databases = Databases::prepare(&server, options.python.clone())?;
    let admin = &mut connect(&server.admin_url())?;
    let mut report = Report::default();
    set_fsync(admin, true)?;
    machine::describe(admin, &databases, &mut report.facts)?;
    if options.includes("lifecycle") {
        lifecycle::compare(&server, &databases, &options, &mut report)?;
    }
    if options.includes("batch") {
        batch::compare(&databases, &options, &mut report)?;
    }
    if options.includes("ingest") {
        ingest::compare(&databases, &options, &mut report)?;
    }
    if options.includes("desks") {
        desks::compare(&server, &databases, &options, &mut report)?;
    }
    if options.includes("growth") {
        growth::measure(&server, &databases, &options, &mut report)?;
    }
    for table in report.tables() {
        table.print();
        options.out.as_ref().map_or(Ok(()), |directory| table.write(directory))?;
    }
    Ok(())
}

/// What to measure, and how much.
pub struct Options {
    /// Orders in the dataset, in ascending order.
    sizes: Vec<u64>,
    rounds: usize,
    /// Duration of a contender's turn.
    time: Duration,
    /// Duration of a round of one read.
    slice: Duration,
    /// Batches of each client in each round.
    batches: usize,
    /// Reports to ingest.
    ingested: usize,
    /// Rows of the log to export.
    exported: usize,
    python: Option<PathBuf>,
    out: Option<PathBuf>,
    /// The parts to run; all if empty.
    parts: Vec<String>,
}

impl Options {
    fn full() -> Self {
        Self {
            sizes: vec![100_000, 1_000_000, 10_000_000],
            rounds: 5,
            time: Duration::from_secs(3),
            slice: Duration::from_millis(400),
            batches: 5,
            ingested: 100_000,
            exported: 200_000,
            python: None,
            out: None,
            parts: vec![],
        }
    }

    fn quick() -> Self {
        Self {
            sizes: vec![100_000],
            rounds: 2,
            time: Duration::from_secs(2),
            slice: Duration::from_millis(200),
            batches: 2,
            ingested: 20_000,
            exported: 20_000,
            ..Self::full()
        }
    }

    fn read() -> Outcome<Self> {
        let arguments: Vec<_> = std::env::args().skip(1).collect();
        let is_quick = arguments.iter().any(|argument| argument == "--quick");
        let mut options = if is_quick { Self::quick() } else { Self::full() };
        let mut arguments = arguments.into_iter();
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().ok_or(format!("{argument} needs a value"));
            match argument.as_str() {
                // `cargo bench` passes --bench.
                "--bench" | "--quick" => {}
                "--orders" => {
                    let sizes = value()?.split(',').map(str::parse).collect::<Result<_, _>>();
                    options.sizes = sizes?;
                }
                "--python" => options.python = Some(value()?.into()),
                "--out" => options.out = Some(value()?.into()),
                part if PARTS.contains(&part) => options.parts.push(argument),
                _ => return Err(format!("unknown argument {argument}; {USAGE}").into()),
            }
        }
        Ok(options)
    }

    fn includes(&self, part: &str) -> bool {
        self.parts.is_empty() || self.parts.iter().any(|named| named == part)
    }
}
