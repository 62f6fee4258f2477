//! Runs of ingest over generated messages: each with a writer of its own, as `blotter ingest` does.

use std::process;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

use proptest::strategy::Strategy;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner};
use proptest::{prop_assert, prop_assert_eq};
use tradeblotter::Blotter;
use tradeblotter::ingest::{Format, FormatName, Options, Reader, Tally, Writer};

use super::days::TRADERS;
use tradeblotter_test_support::describe::state;
use tradeblotter_test_support::{Database, fix_by_account, trader};

/// Environment variable with the number of cases of each property of ingest, in place of a small default.
const CASES: &str = "TRADEBLOTTER_INGEST_CASES";

/// The time that the few messages of a test may take, on the slowest machine.
const MOST_TIME: Duration = Duration::from_secs(120);

/// Tests a property on `few` inputs from a fixed seed, or on as many random ones as the environment asks for.
#[track_caller]
pub fn check_many<S: Strategy>(
    few: u32,
    inputs: S,
    property: impl Fn(S::Value) -> Result<(), TestCaseError>,
) {
    let asked = std::env::var(CASES).ok().map(|cases| cases.parse::<u32>().unwrap());
    let cases = asked.unwrap_or(few);
    let config = Config {
        cases,
        max_shrink_iters: 300,
        failure_persistence: None,
        rng_algorithm: RngAlgorithm::XorShift,
        ..Config::default()
    };
    let mut runner = match asked {
        Some(_) => TestRunner::new(config),
        None => {
            TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::XorShift, &[7; 16]))
        }
    };
    runner.run(&inputs, property).unwrap_or_else(|error| panic!("{error}"));
}

/// A store in which the traders are registered. It is used again: a new database for each run takes most of the time
/// of a property.
pub struct Store {
    pub db: Database,
    pub blotter: Blotter,
}

impl Store {
    pub fn new() -> Self {
        let db = Database::migrated();
        let blotter = db.blotter();
        for name in TRADERS {
            trader(&blotter, name);
        }
        Self { db, blotter }
    }

    /// Returns the store without the orders and breaks of an earlier run.
    pub fn cleared(&self) -> &Self {
        self.db.clear();
        self
    }

    /// Describes what the store has come to.
    pub fn state(&self) -> Vec<String> {
        state(&self.db)
    }

    /// Returns the result of the independent computation of all orders.
    pub fn assert_rebuilt(&self) -> Result<(), TestCaseError> {
        let rebuilt = self.blotter.compliance().snapshot(|tx| tx.orders().rebuild(None));
        prop_assert_eq!(rebuilt.unwrap().differing, []);
        Ok(())
    }
}

/// The options of a FIX log of registered traders, whose ids start again each day or are unique for ever.
pub fn options(daily_ids: bool) -> Options {
    Options {
        format: FormatName::Fix,
        daily_ids: daily_ids.then_some(chrono_tz::UTC),
        ..Options::default()
    }
}

/// Reads messages as one input, in batches of this size.
pub fn read(blotter: &Blotter, options: &Options, messages: &[String], batch: usize) -> Tally {
    read_bytes(blotter, options, messages.concat().as_bytes(), batch)
}

/// Reads an input in batches of this size.
pub fn read_bytes(blotter: &Blotter, options: &Options, input: &[u8], batch: usize) -> Tally {
    read_format(blotter, options, fix_by_account(), input, batch)
}

/// Reads an input of this format in batches of this size.
pub fn read_format(
    blotter: &Blotter,
    options: &Options,
    format: impl Format,
    input: &[u8],
    batch: usize,
) -> Tally {
    let _limit = Limit::new(input);
    let mut writer = Writer::new(options.clone());
    let mut reader = Reader::new(input, format);
    let engine = blotter.engine();
    while let Some(read) = reader.batch(batch).unwrap() {
        writer.write(&engine, &read.events).unwrap();
    }
    writer.finish(&engine).unwrap();
    writer.tally().clone()
}

/// Reads messages as several inputs, which end before the messages at these places.
pub fn read_in_parts(
    blotter: &Blotter,
    options: &Options,
    messages: &[String],
    cuts: &[usize],
    batch: usize,
) {
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % (messages.len() + 1)).collect();
    cuts.extend([0, messages.len()]);
    cuts.sort_unstable();
    for part in cuts.windows(2) {
        read(blotter, options, &messages[part[0]..part[1]], batch);
    }
}

/// Asserts that two states are equal, and otherwise shows the lines that only one has.
pub fn same(found: &[String], expected: &[String], how: &str) -> Result<(), TestCaseError> {
    let only = |a: &[String], b: &[String], sign: &str| -> Vec<String> {
        a.iter().filter(|line| !b.contains(line)).map(|line| format!("{sign} {line}")).collect()
    };
    let differing = [only(expected, found, "-"), only(found, expected, "+")].concat();
    prop_assert!(found == expected, "{}:\n{}", how, differing.join("\n"));
    Ok(())
}

/// Adds the messages to the reason of a failure.
pub fn with_messages(
    checked: Result<(), TestCaseError>,
    messages: &[String],
) -> Result<(), TestCaseError> {
    let shown = || messages.concat().replace('\u{1}', "|");
    checked.map_err(|error| TestCaseError::fail(format!("{error}\n{}", shown())))
}

/// Ends the process if an input takes too long: a loop without an end inside a transaction stops at nothing else.
struct Limit {
    ends: Sender<()>,
}

impl Limit {
    fn new(input: &[u8]) -> Self {
        let (ends, ended) = channel();
        let input = input.to_vec();
        thread::spawn(move || {
            if ended.recv_timeout(MOST_TIME) == Err(RecvTimeoutError::Timeout) {
                let input = String::from_utf8_lossy(&input).replace('\u{1}', "|");
                eprintln!("not read after {MOST_TIME:?}:\n{input}");
                process::exit(1);
            }
        });
        Self { ends }
    }
}

impl Drop for Limit {
    fn drop(&mut self) {
        // The thread has ended only if the process does.
        self.ends.send(()).ok();
    }
}
