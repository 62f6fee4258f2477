//! Writes batches of events to the store, each in one transaction.

use std::collections::{HashMap, HashSet};

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use uuid::Uuid;

use super::duplicates::remove_duplicates;
use super::known_orders::KnownOrders;
use super::options::Options;
use super::plan::Plan;
use super::queues::QueueWriter;
use super::tally::{Outcome, Problem, Tally};
use super::traders::find_or_register;
use super::venue_totals::{self, VenueTotals};
use crate::database::postgres::set_config;
use crate::database::retry::retry;
use crate::database::role::Engine;
use crate::database::session::Session;
use crate::database::transaction::Tx;
use crate::error::Error;
use crate::ingest::event::Event;
use crate::types::enums::BreakReason;

/// Attempts before giving up when a batch conflicts with other writers each time. Writers of the same
/// input meet often; and in each attempt the session retries a few times itself.
const MAX_ATTEMPTS: u32 = 10;

/// Maximum number of orders with differing totals that are remembered until the end of the input.
const MAX_DIFFERING: usize = 100_000;

/// Writes events to the store. Writes are idempotent: whatever a report adds is recognized by the ids in it,
/// so that after a failure the same input is written again from its beginning.
///
/// Each batch is one transaction. Memory does not grow with the input, except for its traders and for up to
/// 100,000 orders whose totals differ.
///
/// ```no_run
/// # use tradeblotter::{Blotter, Error};
/// use tradeblotter::ingest::{FixReader, Options, Reader, Writer};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let engine = Blotter::connect("postgres://localhost/blotter")?.engine();
/// let mut reader = Reader::new(std::fs::File::open("day.fix")?, FixReader::new(Some(1)));
/// let mut writer = Writer::new(Options { trader: None, venue: "UNKNOWN".to_owned() });
/// while let Some(batch) = reader.batch(2000)? {
///     for problem in writer.write(&engine, &batch.events)? {
///         eprintln!("{problem}");
///     }
/// }
/// writer.finish(&engine)?;
/// println!("{} fills", writer.tally().fills);
/// # Ok(())
/// # }
/// ```
pub struct Writer {
    options: Options,
    /// The traders that reports have named so far, by the text of the report.
    traders: HashMap<String, Uuid>,
    /// The venue's totals of orders whose stored totals differ.
    differing: HashMap<Uuid, VenueTotals>,
    batches: u64,
    tally: Tally,
}

/// What one batch adds to a writer, once its transaction is committed.
struct Batch {
    outcome: Outcome,
    traders: HashMap<String, Uuid>,
    agreeing: Vec<Uuid>,
    differing: Vec<VenueTotals>,
}

/// The traders of a batch.
#[derive(Default)]
struct BatchTraders {
    /// The trader of each report.
    of_reports: Vec<Option<Uuid>>,
    /// The indexes of the reports whose trader was refused.
    refused: HashSet<usize>,
    /// The traders that this batch names first.
    new: HashMap<String, Uuid>,
}

impl Writer {
    /// Returns a writer for one input, with the defaults for its reports.
    pub fn new(options: Options) -> Self {
        Self {
            options,
            traders: HashMap::new(),
            differing: HashMap::new(),
            batches: 0,
            tally: Tally::default(),
        }
    }

    /// Returns the counts so far.
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// Writes a batch in a transaction of its own, and returns the reports that could not be applied. An
    /// execution that a rule refuses is kept as a break.
    ///
    /// # Errors
    ///
    /// - [`Error::is_invalid_input`]: a report names a trader by a name that several traders have.
    /// - [`Error::is_conflict`]: other sessions got in the way in every attempt.
    /// - Errors of the connection.
    ///
    /// Nothing of the batch is stored then.
    pub fn write(
        &mut self,
        session: &Session<Engine>,
        events: &[Event<'_>],
    ) -> Result<Vec<Problem>, Error> {
        let batch = retry_on_conflict(session, |tx| self.apply(tx, events))?;
        Ok(self.merge(batch))
    }

    /// Writes a batch in a transaction that the caller has begun and may roll back, as for a dry run.
    ///
    /// # Errors
    ///
    /// Those of [`Writer::write`], without retries.
    pub fn write_in(
        &mut self,
        tx: &mut Tx<'_, Engine>,
        events: &[Event<'_>],
    ) -> Result<Vec<Problem>, Error> {
        let batch = self.apply(tx, events)?;
        Ok(self.merge(batch))
    }

    /// Ends the input: keeps a break ([`BreakReason::Totals`]) for each order whose totals differ from those
    /// that its venue reports.
    ///
    /// # Errors
    ///
    /// Those of [`Writer::write`].
    pub fn finish(&mut self, session: &Session<Engine>) -> Result<(), Error> {
        let breaks = retry_on_conflict(session, |tx| self.reconcile(tx))?;
        self.count_breaks(breaks);
        Ok(())
    }

    /// Ends the input as [`Writer::finish`] does, in a transaction that the caller has begun.
    ///
    /// # Errors
    ///
    /// Those of [`Writer::write`], without retries.
    pub fn finish_in(&mut self, tx: &mut Tx<'_, Engine>) -> Result<(), Error> {
        let breaks = self.reconcile(tx)?;
        self.count_breaks(breaks);
        Ok(())
    }

    fn apply(&self, tx: &mut Tx<'_, Engine>, events: &[Event<'_>]) -> Result<Batch, Error> {
        self.force_index_plans(tx)?;
        let mut outcome = Outcome::default();
        outcome.tally.events = events.len() as u64;
        let traders = self.find_traders(tx, events, &mut outcome)?;
        let mut orders = KnownOrders::load(tx, events, &traders.of_reports)?;
        let plan =
            Plan::new(events, &traders.of_reports, &traders.refused, &mut orders, &self.options);
        outcome.tally.duplicates += plan.duplicates;
        outcome.tally.unchanged += plan.unchanged;
        for problem in plan.problems {
            outcome.add_problem(problem.line, problem.why);
        }
        let queues = remove_duplicates(tx, plan.queues, &orders, &self.options, &mut outcome)?;
        let mut writer = QueueWriter::new(tx, &mut outcome, &self.differing, &self.options);
        writer.write(queues)?;
        let stored_id = |id| writer.stored_id(id);
        let totals = plan.totals.merge(&self.differing, &self.options, stored_id);
        let (agreeing, differing) = venue_totals::compare(tx, totals)?;
        Ok(Batch { outcome, traders: traders.new, agreeing, differing })
    }

    /// Adds a committed batch to the state of the writer.
    fn merge(&mut self, batch: Batch) -> Vec<Problem> {
        self.batches += 1;
        self.traders.extend(batch.traders);
        for id in batch.agreeing {
            self.differing.remove(&id);
        }
        for totals in batch.differing {
            if self.differing.len() < MAX_DIFFERING {
                self.differing.insert(totals.order_id, totals);
            }
        }
        self.tally.add(&batch.outcome.tally);
        batch.outcome.problems
    }

    fn reconcile(&self, tx: &mut Tx<'_, Engine>) -> Result<Vec<BreakReason>, Error> {
        self.force_index_plans(tx)?;
        venue_totals::reconcile(tx, &self.differing, &self.options)
    }

    fn count_breaks(&mut self, breaks: Vec<BreakReason>) {
        self.differing.clear();
        for reason in breaks {
            self.tally.add_break(reason);
        }
    }

    /// Makes PostgreSQL use indexes and generic plans for the rest of the transaction.
    ///
    /// A plan made while a table was small scans the whole table, and is kept while the table grows. So the
    /// plans are discarded each time that the number of batches has doubled.
    fn force_index_plans(&self, tx: &mut Tx<'_, Engine>) -> Result<(), Error> {
        let conn = tx.conn();
        diesel::select((
            set_config("enable_seqscan", "off", true),
            set_config("plan_cache_mode", "force_generic_plan", true),
        ))
        .execute(conn)?;
        if self.batches.is_power_of_two() {
            conn.batch_execute("DISCARD PLANS")?;
        }
        Ok(())
    }

    /// Finds the trader of each report, or registers it. A report whose trader is refused is a problem.
    fn find_traders(
        &self,
        tx: &mut Tx<'_, Engine>,
        events: &[Event<'_>],
        outcome: &mut Outcome,
    ) -> Result<BatchTraders, Error> {
        let mut traders = BatchTraders::default();
        for (index, event) in events.iter().enumerate() {
            let named = event.trader.as_deref().filter(|_| self.options.trader.is_none());
            let Some(named) = named else {
                traders.of_reports.push(self.options.trader);
                continue;
            };
            let known = self.traders.get(named).or_else(|| traders.new.get(named)).copied();
            let trader = match known {
                Some(id) => Some(id),
                None => match find_or_register(tx, named, event.trader_name.as_deref())? {
                    Ok(id) => {
                        traders.new.insert(named.to_owned(), id);
                        Some(id)
                    }
                    Err(error) => {
                        outcome.add_problem(event.line, error.to_string());
                        traders.refused.insert(index);
                        None
                    }
                },
            };
            traders.of_reports.push(trader);
        }
        Ok(traders)
    }
}

/// Runs the work in a transaction, and again if it meets a conflict, up to [`MAX_ATTEMPTS`] times in all.
fn retry_on_conflict<T>(
    session: &Session<Engine>,
    mut work: impl FnMut(&mut Tx<'_, Engine>) -> Result<T, Error>,
) -> Result<T, Error> {
    retry(MAX_ATTEMPTS, Error::is_conflict, |_| session.transaction(&mut work))
}
