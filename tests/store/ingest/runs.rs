//! Runs of ingest over generated messages: each with a writer of its own, as `blotter ingest` does.

use proptest::prop_assert_eq;
use proptest::strategy::Strategy;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner};
use tradeblotter::Blotter;
use tradeblotter::ingest::{FormatName, Options, Reader, Tally, Writer};

use super::days::TRADERS;
use tradeblotter_test_support::describe::state;
use tradeblotter_test_support::{Database, fix_by_account, trader};

/// Environment variable with the number of cases of each property of ingest, in place of a small default.
const CASES: &str = "TRADEBLOTTER_INGEST_CASES";

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
    let mut writer = Writer::new(options.clone());
    let input = messages.concat();
    let mut reader = Reader::new(input.as_bytes(), fix_by_account());
    let engine = blotter.engine();
    while let Some(read) = reader.batch(batch).unwrap() {
        writer.write(&engine, &read.events).unwrap();
    }
    writer.finish(&engine).unwrap();
    writer.tally().clone()
}

/// Reads messages as several inputs that end before these messages.
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
