//! Writes batches of events to the store, each in one transaction.

mod early;
mod healing;
mod stored;

use std::collections::{HashMap, HashSet};
use std::mem;

use diesel::connection::{AnsiTransactionManager, SimpleConnection, TransactionManager};
use diesel::dsl::case_when;
use diesel::prelude::*;
use diesel::sql_types::Text;
use uuid::Uuid;

use self::early::{EarlyReport, EarlyReports};
use self::stored::{known_breaks, known_reports, waiting};
use super::content::Contents;
use super::executions::KnownExecutions;
use super::known_orders::KnownOrders;
use super::options::Options;
use super::plan::{Due, Plan, Planner};
use super::queues::QueueWriter;
use super::step::Report;
use super::tally::{Fate, Outcome, Problem, Tally};
use super::totals::{self, COMPARED, LatestTotals, VenueTotals};
use super::traders::Traders;
use super::turns::take_turn;
use crate::database::citus;
use crate::database::postgres::{set_config, to_regclass};
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

/// Times that a batch is planned again because a concurrent session has submitted one of its orders.
const MAX_PLANS: u32 = 10;

/// Breaks of an input that are remembered until its end, so that one that is applied counts as applied.
const MAX_OPEN: usize = 100_000;

/// Breaks of an input that are told to a person.
const MAX_PROBLEMS: usize = 1000;

/// Writes events to the store. Writes are idempotent: whatever a report adds is recognized by the ids in it,
/// so that after a failure the same input is written again from its beginning.
///
/// Each batch is one transaction. Memory does not grow with the input, except for its traders and for up to
/// 100,000 orders whose totals differ.
///
/// ```no_run
/// # use tradeblotter::{Blotter, Error};
/// use tradeblotter::ingest::{FixReader, Options, ReadOptions, Reader, Writer};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let engine = Blotter::connect("postgres://localhost/blotter")?.engine();
/// // The trader is the Account (1).
/// let options = ReadOptions { trader_from: vec![1.into()], ..ReadOptions::default() };
/// let mut reader = Reader::new(std::fs::File::open("day.fix")?, FixReader::new(options));
/// let mut writer = Writer::new(Options::default());
/// while let Some(batch) = reader.batch(2000)? {
///     writer.write(&engine, &batch.events)?;
/// }
/// for problem in writer.finish(&engine)? {
///     eprintln!("{problem}");
/// }
/// println!("{} fills", writer.tally().fills);
/// # Ok(())
/// # }
/// ```
pub struct Writer {
    options: Options,
    /// The traders that reports have named so far, by the text of the report.
    traders: HashMap<String, Uuid>,
    contents: Contents,
    totals: LatestTotals,
    early: EarlyReports,
    /// The breaks that reports of the input were kept as, each with the number of these reports.
    open: HashMap<Uuid, (BreakReason, u64)>,
    /// The first of them, as they are told to a person.
    problems: Vec<Problem>,
    /// The order chains that another session had locked for longer than the lock timeout.
    locked: HashSet<Uuid>,
    batches: u64,
    /// Whether the breaks of all sources are tried again.
    retries_all: bool,
    /// Whether the input is an export. Its breaks stay as they are.
    is_export: bool,
    tally: Tally,
}

/// What one batch adds to a writer, once its transaction is committed.
struct Batch {
    outcome: Outcome,
    traders: HashMap<String, Uuid>,
    contents: Contents,
    totals: Vec<VenueTotals>,
    early: Vec<EarlyReport>,
    /// What it brings that breaks wait for.
    due: Vec<Due>,
}

/// When reports are applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// As the input has them.
    Input,
    /// As breaks that are tried again because what they wait for has come.
    Due,
    /// As breaks that are tried again at the end of the input.
    End,
}

/// Where batches are written: each in a transaction of its own, or all in one that the caller has begun.
enum Store<'s, 'c, 't> {
    Session(&'s Session<Engine>),
    Tx(&'t mut Tx<'c, Engine>),
}

impl Store<'_, '_, '_> {
    /// Whether each batch is a transaction of its own, so that sessions can take turns.
    fn has_turns(&self) -> bool {
        matches!(self, Self::Session(_))
    }

    /// Runs the work in a transaction, and again if it meets a conflict, up to [`MAX_ATTEMPTS`] times in all;
    /// once in a transaction of the caller.
    fn run<T>(
        &mut self,
        mut work: impl FnMut(&mut Tx<'_, Engine>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        match self {
            Self::Session(session) => {
                retry(MAX_ATTEMPTS, Error::is_conflict, |_| session.transaction(&mut work))
            }
            Self::Tx(tx) => work(tx),
        }
    }
}

impl Writer {
    /// Returns a writer for one input, with what holds for all of its reports.
    pub fn new(options: Options) -> Self {
        Self {
            options,
            traders: HashMap::new(),
            contents: Contents::default(),
            totals: LatestTotals::default(),
            early: EarlyReports::default(),
            open: HashMap::new(),
            problems: Vec::new(),
            locked: HashSet::new(),
            batches: 0,
            retries_all: false,
            is_export: false,
            tally: Tally::default(),
        }
    }

    /// Returns the counts so far.
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// Writes a batch in a transaction of its own. Reports that can't be applied are kept as breaks.
    ///
    /// The reports of an order whose row another session has locked for longer than the lock timeout are kept as
    /// breaks, which [`Writer::finish`] tries again.
    ///
    /// # Errors
    ///
    /// - [`Error::is_conflict`]: other sessions got in the way in every attempt.
    /// - Errors of the connection.
    ///
    /// Nothing of the batch is stored then.
    pub fn write(&mut self, session: &Session<Engine>, events: &[Event<'_>]) -> Result<(), Error> {
        self.write_to(&mut Store::Session(session), events)
    }

    /// Writes a batch in a transaction that the caller has begun and may roll back, as for a dry run.
    ///
    /// # Errors
    ///
    /// Those of [`Writer::write`], without retries.
    pub fn write_in(&mut self, tx: &mut Tx<'_, Engine>, events: &[Event<'_>]) -> Result<(), Error> {
        self.write_to(&mut Store::Tx(tx), events)
    }

    /// Writes a batch. If the lock timeout ends it, its halves are written, and so on, until the report whose order is
    /// locked is alone; that report, and all others of its order chain, are set aside.
    fn write_to(
        &mut self,
        store: &mut Store<'_, '_, '_>,
        events: &[Event<'_>],
    ) -> Result<(), Error> {
        let has_turns = store.has_turns();
        let batch = match store.run(|tx| self.apply(tx, events, has_turns)) {
            Err(error) if error.is_lock_timeout() && matches!(store, Store::Session(_)) => {
                if let [_, _, ..] = events {
                    let (first, second) = events.split_at(events.len() / 2);
                    self.write_to(store, first)?;
                    return self.write_to(store, second);
                }
                let chains = store.run(|tx| self.chains_named(tx, events))?;
                if chains.is_subset(&self.locked) {
                    return Err(error);
                }
                self.locked.extend(chains);
                store.run(|tx| self.apply(tx, events, has_turns))?
            }
            applied => applied?,
        };
        self.is_export |= events.iter().any(Event::is_exported);
        self.merge(store, batch)
    }

    /// Returns the order chains that reports name.
    fn chains_named(
        &self,
        tx: &mut Tx<'_, Engine>,
        events: &[Event<'_>],
    ) -> Result<HashSet<Uuid>, Error> {
        let traders = Traders::find(tx, events, &self.traders, &self.options)?;
        let reports: Vec<Report<'_>> = events
            .iter()
            .zip(&traders.of_reports)
            .map(|(event, trader)| Report::new(0, event, trader, ""))
            .collect();
        let reports: Vec<&Report<'_>> = reports.iter().collect();
        let known_orders = KnownOrders::load(tx, &reports, std::iter::empty(), &self.options)?;
        Ok(known_orders.roots())
    }

    /// Ends the input: applies the open breaks of its traders that lack nothing any more, and keeps a break
    /// ([`BreakReason::Totals`]) for each order whose totals differ from those that its venue reported last. The breaks
    /// of an export stay open if they are open there.
    ///
    /// Returns the first 1,000 reports that are kept as open breaks, or whose totals are, in the sequence of the
    /// input.
    ///
    /// # Errors
    ///
    /// Those of [`Writer::write`].
    pub fn finish(&mut self, session: &Session<Engine>) -> Result<Vec<Problem>, Error> {
        self.finish_with(&mut Store::Session(session))
    }

    /// Ends the input as [`Writer::finish`] does, in a transaction that the caller has begun.
    ///
    /// # Errors
    ///
    /// Those of [`Writer::write`], without retries.
    pub fn finish_in(&mut self, tx: &mut Tx<'_, Engine>) -> Result<Vec<Problem>, Error> {
        self.finish_with(&mut Store::Tx(tx))
    }

    /// Tries the open breaks again and applies those that lack nothing any more; returns how many. The reports of breaks
    /// are read like an input with these options. Fills beyond the quantity of their order, and executions that
    /// contradict a stored one, wait for a person.
    ///
    /// If the options have a [`source`](Options::source), only the breaks of that source are tried. If they have a
    /// [`trader`](Options::trader), only those of this trader are, and the reports whose trader is not known are
    /// taken for this trader's.
    ///
    /// # Errors
    ///
    /// Those of [`Writer::write`].
    pub fn retry_breaks(&mut self, session: &Session<Engine>) -> Result<u64, Error> {
        let before = self.tally.healed;
        self.retries_all = true;
        let mut store = Store::Session(session);
        let trader = self.options.trader.map(|trader| [trader]);
        let traders = trader.as_ref().map(|trader| &trader[..]);
        self.heal(&mut store, traders)?;
        self.heal_totals(&mut store, traders)?;
        Ok(self.tally.healed - before)
    }

    fn finish_with(&mut self, store: &mut Store<'_, '_, '_>) -> Result<Vec<Problem>, Error> {
        self.locked.clear();
        if self.is_export {
            return Ok(mem::take(&mut self.problems));
        }
        let mut traders: Vec<Uuid> = self.traders.values().copied().collect();
        traders.extend(self.options.trader);
        self.heal(store, Some(&traders))?;
        self.add_early_totals(store)?;
        self.reconcile(store)?;
        self.heal_totals(store, Some(&traders))?;
        Ok(mem::take(&mut self.problems))
    }

    /// Applies a batch of reports.
    fn apply(
        &self,
        tx: &mut Tx<'_, Engine>,
        events: &[Event<'_>],
        has_turns: bool,
    ) -> Result<Batch, Error> {
        self.force_index_plans(tx)?;
        let traders = Traders::find(tx, events, &self.traders, &self.options)?;
        if has_turns {
            take_turn(tx, traders.of_reports.iter().flatten().copied())?;
        }
        let mut contents = self.contents.clone();
        let sources: Vec<_> = events.iter().map(|event| self.options.source_of(event)).collect();
        let reports: Vec<Report<'_>> = events
            .iter()
            .enumerate()
            .map(|(place, event)| {
                let trader = &traders.of_reports[place];
                let content_id =
                    contents.id_of(event, trader.as_ref().ok().copied(), &self.options);
                Report { content_id, ..Report::new(place, event, trader, &sources[place]) }
            })
            .collect();
        let mut batch = self.apply_reports(tx, &reports, Phase::Input)?;
        batch.outcome.tally.traders = traders.registered;
        batch.outcome.count_reports();
        Ok(Batch { traders: traders.new, contents, ..batch })
    }

    /// Applies reports in rounds: those that depend on what others come to are left for the next one.
    fn apply_reports(
        &self,
        tx: &mut Tx<'_, Engine>,
        reports: &[Report<'_>],
        phase: Phase,
    ) -> Result<Batch, Error> {
        let mut batch = Batch {
            outcome: Outcome::new(reports.len()),
            traders: HashMap::new(),
            contents: Contents::default(),
            totals: Vec::new(),
            early: Vec::new(),
            due: Vec::new(),
        };
        let mut refused = HashMap::new();
        let mut outdated = 0;
        let mut remaining: Vec<&Report<'_>> = reports.iter().collect();
        while !remaining.is_empty() {
            // A savepoint for each attempt: if the database refuses an order, or a concurrent session has submitted it
            // first, what was planned for it is void.
            AnsiTransactionManager::begin_transaction(tx.conn())?;
            let mut outcome = batch.outcome.clone();
            let may_plan_again = outdated < MAX_PLANS;
            let plans =
                Plans { refused: &refused, may_plan_again, phase, written_totals: &batch.totals };
            let round = self.apply_round(tx, &remaining, &plans, &mut outcome)?;
            if round.is_outdated {
                AnsiTransactionManager::rollback_transaction(tx.conn())?;
                outdated += 1;
                continue;
            }
            if !round.refused.is_empty() {
                AnsiTransactionManager::rollback_transaction(tx.conn())?;
                refused.extend(round.refused);
                continue;
            }
            AnsiTransactionManager::commit_transaction(tx.conn())?;
            batch.outcome = outcome;
            batch.totals.extend(round.totals);
            batch.early.extend(round.early);
            remaining = round.deferred;
            match phase {
                Phase::Input => self.retry_due(tx, round.due, &mut batch)?,
                Phase::Due | Phase::End => batch.due.extend(round.due),
            }
        }
        Ok(batch)
    }

    fn apply_round<'r>(
        &'r self,
        tx: &mut Tx<'_, Engine>,
        reports: &[&'r Report<'r>],
        plans: &Plans<'_>,
        outcome: &mut Outcome,
    ) -> Result<Round<'r>, Error> {
        let options = &self.options;
        let mut known_breaks = known_breaks(tx, reports)?;
        let named = known_breaks.values().filter_map(|known| known.order_id);
        let mut known_orders = KnownOrders::load(tx, reports, named, options)?;
        let mut known_reports = known_reports(tx, reports, &known_orders)?;
        let waiting = waiting(tx, reports, &known_orders)?;
        let mut planner = Planner {
            orders: &mut known_orders,
            known_reports: &mut known_reports,
            known_breaks: &mut known_breaks,
            waiting: &waiting,
            refused: plans.refused,
            locked: &self.locked,
            options,
        };
        let plan = Plan::new(reports.iter().copied(), &mut planner, outcome);
        let known = KnownExecutions::load(tx, &plan.steps, &known_orders, options)?;
        let mut writer = QueueWriter {
            tx,
            outcome,
            known,
            totals: &self.totals,
            written_totals: plans.written_totals,
            batch_totals: &plan.totals,
            options,
            stored_ids: HashMap::new(),
            refused: HashMap::new(),
            books_late: plans.phase == Phase::End,
            may_plan_again: plans.may_plan_again,
            is_outdated: false,
        };
        let repeated = writer.write(&plan.unlogged_breaks, plan.steps, plan.repeated)?;
        let QueueWriter { stored_ids, refused, is_outdated, .. } = writer;
        let stored_id = |id| stored_ids.get(&id).copied().unwrap_or(id);
        // What a report that is kept as a break counts, the store can't have.
        let totals = plan
            .totals
            .iter()
            .filter(|(report, _)| outcome.fate(report.place) != Some(Fate::Broken))
            // What is planned again states its totals again.
            .filter(|(report, _)| repeated.iter().all(|other| other.place != report.place));
        let totals = totals.filter_map(|(report, of)| {
            let of = super::plan::TotalsOf {
                root: stored_id(of.root),
                order_id: stored_id(of.order_id),
            };
            VenueTotals::of_report(report, of, options)
        });
        let totals = totals.collect();
        let mut deferred = plan.deferred;
        deferred.extend(repeated);
        deferred.sort_by_key(|report| report.place);
        let early = plan.early.iter().filter_map(|report| EarlyReport::of(report)).collect();
        Ok(Round { refused, is_outdated, totals, early, deferred, due: plan.due })
    }

    /// Adds a committed batch to the state of the writer.
    fn merge(&mut self, store: &mut Store<'_, '_, '_>, mut batch: Batch) -> Result<(), Error> {
        self.batches += 1;
        self.traders.extend(batch.traders);
        self.contents = batch.contents;
        for totals in batch.totals {
            self.totals.add(totals);
        }
        self.early.extend(batch.early);
        for (id, reason) in mem::take(&mut batch.outcome.open) {
            if let Some((_, reports)) = self.open.get_mut(&id) {
                *reports += 1;
                continue;
            }
            self.tally.add_break(reason);
            if self.open.len() < MAX_OPEN {
                self.open.insert(id, (reason, 1));
            }
        }
        let room = MAX_PROBLEMS.saturating_sub(self.problems.len());
        self.problems.extend(mem::take(&mut batch.outcome.problems).into_iter().take(room));
        self.count_healed(batch.outcome);
        if self.totals.is_full() {
            self.totals = store.run(|tx| {
                let mut remembered = self.totals.clone();
                remembered.forget(tx)?;
                Ok(remembered)
            })?;
        }
        Ok(())
    }

    /// Keeps a break for each order whose totals differ from those that its venue reported last.
    fn reconcile(&mut self, store: &mut Store<'_, '_, '_>) -> Result<(), Error> {
        let (mut open, mut healed) = (Vec::new(), 0);
        for totals in self.totals.sorted().chunks(COMPARED) {
            let (still_open, resolved) = store.run(|tx| {
                self.force_index_plans(tx)?;
                totals::reconcile(tx, totals)
            })?;
            open.extend(still_open);
            healed += resolved.len() as u64;
        }
        for problem in &open {
            self.tally.add_break(problem.reason);
        }
        self.problems.extend(open);
        self.problems.sort_by_key(|problem| problem.line);
        self.problems.truncate(MAX_PROBLEMS);
        self.tally.healed += healed;
        self.totals = LatestTotals::default();
        Ok(())
    }

    /// Makes PostgreSQL use indexes and generic plans for the rest of the transaction.
    ///
    /// A plan made while a table was small scans the whole table, and is kept while the table grows. So the
    /// plans are discarded each time that the number of batches has doubled. Citus has no generic plan of some statements.
    fn force_index_plans(&self, tx: &mut Tx<'_, Engine>) -> Result<(), Error> {
        let conn = tx.conn();
        let mode =
            case_when::<_, _, Text>(to_regclass(citus::PROBE).is_null(), "force_generic_plan")
                .otherwise("auto");
        diesel::select((
            set_config("enable_seqscan", "off", true),
            set_config("plan_cache_mode", mode, true),
        ))
        .execute(conn)?;
        if self.batches.is_power_of_two() {
            conn.batch_execute("DISCARD PLANS")?;
        }
        Ok(())
    }
}

/// What the plans of a batch are made with.
struct Plans<'p> {
    /// Why the database refuses the orders that the reports at these places present.
    refused: &'p HashMap<usize, String>,
    may_plan_again: bool,
    phase: Phase,
    /// The totals in the reports that earlier rounds have written.
    written_totals: &'p [VenueTotals],
}

/// What a round of a batch comes to.
struct Round<'r> {
    /// Whether a concurrent session has submitted one of its orders.
    is_outdated: bool,
    /// Why the database refuses the orders that the reports at these places present.
    refused: HashMap<usize, String>,
    totals: Vec<VenueTotals>,
    early: Vec<EarlyReport>,
    deferred: Vec<&'r Report<'r>>,
    /// What it brings that breaks wait for.
    due: Vec<Due>,
}
