//! What the store costs beside others that do the same, and as it grows.
//!
//! Everything runs on one private server that writes to disk before it answers a COMMIT:
//!
//! - a lifecycle: an order, its way to the venue and its two fills, each in a transaction of its own. The
//!   library works as in an application: on the migrated schema, under row security, with a session of the
//!   trader for the order and one of the engine for the rest. pgbench, a client written by hand and
//!   SQLAlchemy work on the base schema without row security, and do with the statements of each
//!   transaction what the library leaves to the database. They take turns, each for a few seconds, so that
//!   whatever else goes on in the machine hits all; this, and that two of them are programs of their own,
//!   is why none of the usual harnesses runs them: those measure one thing after the other, from within;
//! - batches, beside INSERT … SELECT FROM unnest into bare tables;
//! - the reads of a trader, with row security and without, an export of the log, and room on disk, in a book
//!   that grows.
//!
//! `cargo bench --bench compare` does all of it, `-- --quick` in a few minutes with a small book. The names
//! of questions, `lifecycle`, `batch` or `stored`, leave out the others, and `--orders 100000,1000000` says
//! to which sizes the book grows. `--python PROGRAM` names a Python that has SQLAlchemy, which is left out
//! otherwise; `--out DIRECTORY` has the tables written as CSV. `scripts/bench` gives it both. Missed goals
//! are told, and no failure.

mod batch;
#[path = "../common/book.rs"]
mod book;
mod drive;
mod lifecycle;
mod machine;
mod place;
#[path = "../common/reads.rs"]
mod reads;
mod relay;
mod report;
mod sides;
mod stored;

use std::path::PathBuf;
use std::time::Duration;

use tradeblotter::connect;
use tradeblotter::embedded::Server;

use drive::Outcome;
use place::{Place, set_fsync};
use report::Report;

const QUESTIONS: [&str; 3] = ["lifecycle", "batch", "stored"];

fn main() -> Outcome<()> {
    let options = Options::read()?;
    let server = Server::start()?;
    let place = Place::prepare(&server, options.python.clone())?;
    let admin = &mut connect(&server.admin_url())?;
    let mut report = Report::default();
    set_fsync(admin, true)?;
    machine::describe(admin, &place, &mut report.facts)?;
    if options.asks("lifecycle") {
        lifecycle::compare(&server, &place, &options, &mut report)?;
    }
    if options.asks("batch") {
        batch::compare(&place, &options, &mut report)?;
    }
    if options.asks("stored") {
        stored::measure(&server, &place, &options, &mut report)?;
    }
    for table in report.tables() {
        table.print();
        options.out.as_ref().map_or(Ok(()), |directory| table.write(directory))?;
    }
    Ok(())
}

/// How much is measured.
pub struct Options {
    /// Orders in the book, growing.
    sizes: Vec<u64>,
    rounds: usize,
    /// How long a side goes through lifecycles before it is the next one's turn.
    time: Duration,
    /// How long clients read the same.
    slice: Duration,
    /// Batches of each client in a round.
    batches: usize,
    /// Rows of the log that are exported.
    exported: usize,
    python: Option<PathBuf>,
    out: Option<PathBuf>,
    questions: Vec<String>,
}

impl Options {
    fn full() -> Self {
        Self {
            sizes: vec![100_000, 1_000_000, 10_000_000],
            rounds: 5,
            time: Duration::from_secs(3),
            slice: Duration::from_millis(400),
            batches: 5,
            exported: 200_000,
            python: None,
            out: None,
            questions: vec![],
        }
    }

    fn quick() -> Self {
        Self {
            sizes: vec![100_000],
            rounds: 2,
            time: Duration::from_secs(2),
            slice: Duration::from_millis(200),
            batches: 2,
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
            let mut value = || arguments.next().ok_or(format!("{argument} lacks its value"));
            match argument.as_str() {
                // Said by `cargo bench`.
                "--bench" | "--quick" => {}
                "--orders" => {
                    let sizes = value()?.split(',').map(str::parse).collect::<Result<_, _>>();
                    options.sizes = sizes?;
                }
                "--python" => options.python = Some(value()?.into()),
                "--out" => options.out = Some(value()?.into()),
                question if QUESTIONS.contains(&question) => options.questions.push(argument),
                _ => {
                    let questions = QUESTIONS.join(", ");
                    let why = "is not --quick, --orders, --python, --out or one of";
                    return Err(format!("{argument} {why} {questions}").into());
                }
            }
        }
        Ok(options)
    }

    fn asks(&self, question: &str) -> bool {
        self.questions.is_empty() || self.questions.iter().any(|asked| asked == question)
    }
}
