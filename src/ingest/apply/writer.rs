//! Events into the store: each order, fill and action exactly once, whatever is read again.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::fmt;

use bigdecimal::BigDecimal;
use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use uuid::Uuid;

use super::known_executions::{Account, Booked, Executions};
use super::known_orders::Book;
use super::order_chain::{has_event_after, last_order};
use super::plan::{Plan, Planned, Step, execution};
use super::stored_venue::{BreaksOf, stored_venue};
use super::traders;
use super::venue_totals::Standing;
use crate::breaks::{Break, Breaks, Execution, NewBreakResolution, Outcome};
use crate::database::postgres::set_config;
use crate::database::retry::retry;
use crate::database::role::Engine;
use crate::database::session::{Session, Tx};
use crate::error::Error;
use crate::execution_logs::NewExecutionLog;
use crate::fills::{Fill, NewFill};
use crate::ingest::event::{Event, Number};
use crate::orders::NewOrder;
use crate::orders::totals::Totals;
use crate::schema::{execution_logs, fills};
use crate::types::enums::{Action, BreakReason, OrderStatus};

/// Attempts before giving up when a batch conflicts with other writers each time. Writers of the same
/// input meet often; and in each attempt the session retries a few times itself.
const MAX_ATTEMPTS: u32 = 10;

/// Orders whose totals differ that are remembered to the end of the input.
const MAX_DIFFERING: usize = 100_000;

/// What is said of all the reports of an input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// The trader of reports that name none.
    pub trader: Option<Uuid>,
    /// Where was executed what does not say so, 1 to 50 characters.
    pub venue: String,
}

/// What has become of the reports.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Tally {
    /// Reports that were read.
    pub events: u64,
    /// Orders that were submitted.
    pub orders: u64,
    /// Fills, busts and corrections that were recorded; with those that were booked late.
    pub fills: u64,
    /// Of those: fills that came after the end of their order, which the venue had counted in it.
    pub late_fills: u64,
    /// Orders that were cancelled, or whose time was up.
    pub cancels: u64,
    /// Orders that were rejected.
    pub rejects: u64,
    /// Other actions that were logged.
    pub actions: u64,
    /// Reports that were known already.
    pub duplicates: u64,
    /// Reports by which nothing has happened to an order.
    pub unchanged: u64,
    /// Reports that could not be applied and are none that a break could keep.
    pub problems: u64,
    /// Executions that could not be applied, and totals that differ: those that nobody has resolved.
    pub breaks: BTreeMap<BreakReason, u64>,
}

/// A report that could not be applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The line of the input that it begins on, from 1.
    pub line: u64,
    /// What is wrong with it.
    pub why: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.why)
    }
}

/// Writes events into the store. Memory does not grow with the input, but for traders and for orders
/// whose totals differ.
///
/// Each batch is one transaction. Whatever is written is known again by the ids in the reports, so after
/// a failure the same input is simply written again from its beginning.
pub struct Writer {
    options: Options,
    traders: HashMap<String, Uuid>,
    differing: HashMap<Uuid, Standing>,
    batches: u64,
    tally: Tally,
}

/// What a batch has come to.
#[derive(Default)]
struct Applied {
    tally: Tally,
    problems: Vec<Problem>,
    traders: HashMap<String, Uuid>,
    agreeing: Vec<Uuid>,
    differing: Vec<Standing>,
}

impl Writer {
    /// A writer for an input of which this is said.
    pub fn new(options: Options) -> Self {
        Self {
            options,
            traders: HashMap::new(),
            differing: HashMap::new(),
            batches: 0,
            tally: Tally::default(),
        }
    }

    /// What has become of the reports so far.
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// Writes a batch in a transaction of its own.
    ///
    /// # Errors
    ///
    /// Those of the connection: nothing of the batch is stored then. What a rule refuses is a break, or
    /// a [`Problem`].
    pub fn write(
        &mut self,
        session: &Session<Engine>,
        events: &[Event<'_>],
    ) -> Result<Vec<Problem>, Error> {
        let applied = retry_on_conflict(session, |tx| self.apply(tx, events))?;
        Ok(self.merge(applied))
    }

    /// Writes a batch in a transaction that the caller has begun, and which it may roll back: for a dry
    /// run.
    ///
    /// # Errors
    ///
    /// As [`Writer::write`].
    pub fn write_in(
        &mut self,
        tx: &mut Tx<'_, Engine>,
        events: &[Event<'_>],
    ) -> Result<Vec<Problem>, Error> {
        let applied = self.apply(tx, events)?;
        Ok(self.merge(applied))
    }

    /// At the end of the input: keeps a break of each order whose totals are not those that its venue
    /// reports.
    ///
    /// # Errors
    ///
    /// As [`Writer::write`].
    pub fn finish(&mut self, session: &Session<Engine>) -> Result<(), Error> {
        let breaks = retry_on_conflict(session, |tx| self.reconcile(tx))?;
        self.count(breaks);
        Ok(())
    }

    /// [`Writer::finish`], in a transaction that the caller has begun.
    ///
    /// # Errors
    ///
    /// As [`Writer::write`].
    pub fn finish_in(&mut self, tx: &mut Tx<'_, Engine>) -> Result<(), Error> {
        let breaks = self.reconcile(tx)?;
        self.count(breaks);
        Ok(())
    }

    fn reconcile(&self, tx: &mut Tx<'_, Engine>) -> Result<Vec<BreakReason>, Error> {
        self.find_by_keys(tx)?;
        let mut breaks = Vec::new();
        let mut standings: Vec<_> = self.differing.values().collect();
        // Whoever waits for another's order waits for one that is further on: no two for each other.
        standings.sort_by_key(|standing| standing.order_id);
        for standing in standings {
            // Told again, or by a session that lags: it is how the order stood once.
            if has_event_after(tx, standing.order_id, standing.timestamp)? {
                continue;
            }
            let totals = standing.totals();
            let venue = &self.options.venue;
            let execution = totals.as_execution();
            let venue = stored_venue(tx, &execution, venue, BreaksOf::Totals)?;
            let venue = venue.as_deref().unwrap_or(totals.venue);
            let kept = tx.breaks().reconcile(&Totals { venue, ..totals })?;
            let Some(kept) = kept else { continue };
            if tx.breaks().get(kept.id)?.resolution.is_none() {
                breaks.push(kept.reason);
            }
        }
        Ok(breaks)
    }

    fn count(&mut self, breaks: Vec<BreakReason>) {
        self.differing.clear();
        for reason in breaks {
            *self.tally.breaks.entry(reason).or_default() += 1;
        }
    }

    fn merge(&mut self, applied: Applied) -> Vec<Problem> {
        self.batches += 1;
        self.traders.extend(applied.traders);
        for id in applied.agreeing {
            self.differing.remove(&id);
        }
        for standing in applied.differing {
            if self.differing.len() < MAX_DIFFERING {
                self.differing.insert(standing.order_id, standing);
            }
        }
        self.tally.add(&applied.tally);
        applied.problems
    }

    fn apply(&self, tx: &mut Tx<'_, Engine>, events: &[Event<'_>]) -> Result<Applied, Error> {
        self.find_by_keys(tx)?;
        let mut applied = Applied::default();
        applied.tally.events = events.len() as u64;
        let mut refused = HashSet::new();
        let traders = self.traders(tx, events, &mut applied, &mut refused)?;
        let mut book = Book::load(tx, events, &traders)?;
        let plan = Plan::of(events, &traders, &refused, &mut book, &self.options);
        let Plan { queues, standings, problems, known, unchanged } = plan;
        applied.tally.duplicates += known;
        applied.tally.unchanged += unchanged;
        for problem in problems {
            applied.problem(problem.line, problem.why);
        }
        let queues = self.fresh(tx, queues, &book, &mut applied)?;
        let mut work = Work {
            tx,
            applied: &mut applied,
            stored: HashMap::new(),
            before: &self.differing,
            options: &self.options,
        };
        work.run(queues)?;
        let settled = standings.settle(&self.differing, &self.options, |id| work.stored_as(id));
        let totals: Vec<Totals<'_>> = settled.iter().map(Standing::totals).collect();
        let differences = tx.orders().compare_totals(&totals)?;
        drop(totals);
        for (standing, differences) in settled.into_iter().zip(differences) {
            if differences.is_empty() {
                applied.agreeing.push(standing.order_id);
            } else {
                applied.differing.push(standing);
            }
        }
        Ok(applied)
    }

    /// Has the rest of the transaction look rows up by their keys. Plans are kept, and those that were made
    /// while the tables were small read all of what was written since: so they are made anew each time that
    /// twice as many batches have been written.
    fn find_by_keys(&self, tx: &mut Tx<'_, Engine>) -> Result<(), Error> {
        let conn = tx.connection();
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

    /// The trader of each report; those whose trader can be none are refused.
    fn traders(
        &self,
        tx: &mut Tx<'_, Engine>,
        events: &[Event<'_>],
        applied: &mut Applied,
        refused: &mut HashSet<usize>,
    ) -> Result<Vec<Option<Uuid>>, Error> {
        events
            .iter()
            .enumerate()
            .map(|(number, event)| {
                let Some(called) =
                    event.trader.as_deref().filter(|_| self.options.trader.is_none())
                else {
                    return Ok(self.options.trader);
                };
                let known = self.traders.get(called).or_else(|| applied.traders.get(called));
                if let Some(id) = known {
                    return Ok(Some(*id));
                }
                match traders::find_or_register(tx, called, event.trader_name.as_deref())? {
                    Ok(id) => {
                        applied.traders.insert(called.to_owned(), id);
                        Ok(Some(id))
                    }
                    Err(why) => {
                        applied.problem(event.line, why.to_string());
                        refused.insert(number);
                        Ok(None)
                    }
                }
            })
            .collect()
    }

    /// Leaves out what is stored already.
    fn fresh<'e>(
        &'e self,
        tx: &mut Tx<'_, Engine>,
        queues: HashMap<Uuid, VecDeque<Planned<'e>>>,
        book: &Book,
        applied: &mut Applied,
    ) -> Result<Vec<VecDeque<Planned<'e>>>, Error> {
        let planned = || queues.values().flatten();
        let entries: Vec<Uuid> = planned()
            .filter_map(|planned| match planned.step {
                Step::Log(ref id, _) => Some(id.of(planned.order_id?)),
                _ => None,
            })
            .collect();
        let executions: HashSet<&str> =
            planned().filter_map(|planned| planned.event.execution_id.as_deref()).collect();
        let ids: Vec<Uuid> = planned()
            .filter_map(|planned| match planned.step {
                Step::Fill(id, _) if planned.event.id.is_some() => Some(id),
                _ => None,
            })
            .collect();
        let stored = book.stored();
        let conn = tx.connection();
        let mut entries: HashSet<Uuid> = if stored.is_empty() {
            HashSet::new()
        } else {
            let known = execution_logs::table.filter(execution_logs::id.eq_any(entries));
            known.select(execution_logs::id).load(conn)?.into_iter().collect()
        };
        let fills: Vec<Fill> = if stored.is_empty() {
            Vec::new()
        } else {
            Fill::query()
                .filter(fills::order_id.eq_any(stored))
                .filter(fills::execution_id.eq_any(executions).or(fills::id.eq_any(ids)))
                .load(conn)?
        };
        let root = |order: Uuid| book.get(order).map_or(order, |order| order.root);
        let mut ids: HashSet<Uuid> = fills.iter().map(|fill| fill.id).collect();
        let mut booked = Executions::new(&self.options.venue);
        for fill in &fills {
            booked.add(root(fill.order_id), Booked::of(fill));
        }
        let mut fresh = Vec::with_capacity(queues.len());
        for (root, queue) in queues {
            let mut kept = VecDeque::with_capacity(queue.len());
            for mut planned in queue {
                let account = match &planned.step {
                    Step::Log(id, _)
                        if !entries.insert(id.of(planned.order_id.unwrap_or_default())) =>
                    {
                        Account::Known
                    }
                    Step::Fill(id, _) if planned.event.id.is_some() && !ids.insert(*id) => {
                        Account::Known
                    }
                    // Of orders that nobody knows each may have given out the same id.
                    _ if planned.order_id.is_none() => Account::New,
                    Step::Fill(_, new) => booked.account(root, Booked::new(new), planned.event),
                    Step::Execution(new) => {
                        booked.account(root, Booked::reported(new), planned.event)
                    }
                    _ => Account::New,
                };
                match account {
                    Account::New => kept.push_back(planned),
                    Account::Known => applied.tally.duplicates += 1,
                    Account::Other(detail) => {
                        match execution(planned.event, planned.order_id, &self.options) {
                            Ok(execution) => {
                                planned.step = Step::Mismatch(execution, detail);
                                kept.push_back(planned);
                            }
                            Err(why) => applied.problem(planned.event.line, why),
                        }
                    }
                }
            }
            fresh.push(kept);
        }
        Ok(fresh)
    }
}

/// Runs `work` in a transaction, and again if it conflicts with others.
fn retry_on_conflict<T>(
    session: &Session<Engine>,
    mut work: impl FnMut(&mut Tx<'_, Engine>) -> Result<T, Error>,
) -> Result<T, Error> {
    retry(MAX_ATTEMPTS, Error::is_conflict, |_| session.transaction(&mut work))
}

impl Applied {
    fn problem(&mut self, line: u64, why: String) {
        self.tally.problems += 1;
        self.problems.push(Problem { line, why });
    }
}

impl Tally {
    fn add(&mut self, other: &Self) {
        self.events += other.events;
        self.orders += other.orders;
        self.fills += other.fills;
        self.late_fills += other.late_fills;
        self.cancels += other.cancels;
        self.rejects += other.rejects;
        self.actions += other.actions;
        self.duplicates += other.duplicates;
        self.unchanged += other.unchanged;
        self.problems += other.problems;
        for (reason, breaks) in &other.breaks {
            *self.breaks.entry(*reason).or_default() += breaks;
        }
    }

    /// All breaks, whatever the reason.
    pub fn broken(&self) -> u64 {
        self.breaks.values().sum()
    }
}

/// The steps of a batch, being taken.
struct Work<'w, 'c> {
    tx: &'w mut Tx<'c, Engine>,
    applied: &'w mut Applied,
    /// Orders that are stored under another id than was meant, because somebody else was there first;
    /// none for those that were refused.
    stored: HashMap<Uuid, Option<Uuid>>,
    /// How orders stood by the venue's account before the batch.
    before: &'w HashMap<Uuid, Standing>,
    options: &'w Options,
}

impl Work<'_, '_> {
    /// Takes from the head of each queue what can be written with one statement, until all is written.
    fn run(&mut self, mut queues: Vec<VecDeque<Planned<'_>>>) -> Result<(), Error> {
        while !queues.is_empty() {
            let submits = heads(&mut queues, false, |step| matches!(step, Step::Submit(_)));
            self.submit(&submits)?;
            let fills = heads(&mut queues, true, |step| matches!(step, Step::Fill(..)));
            self.record(&fills)?;
            let entries = heads(&mut queues, false, |step| matches!(step, Step::Log(..)));
            self.log(&entries)?;
            let single = |step: &Step<'_>| matches!(step, Step::Execution(_) | Step::Mismatch(..));
            for planned in heads(&mut queues, true, single) {
                self.execute(&planned)?;
            }
            queues.retain(|queue| !queue.is_empty());
        }
        Ok(())
    }

    /// The id under which an order is stored; none if it was refused.
    fn stored_as(&self, id: Uuid) -> Option<Uuid> {
        self.stored.get(&id).copied().unwrap_or(Some(id))
    }

    /// The order as it is stored; none if it was refused, or is not known.
    fn order(&self, planned: &Planned<'_>) -> Option<Uuid> {
        planned.order_id.and_then(|id| self.stored_as(id))
    }

    fn submit(&mut self, submits: &[Planned<'_>]) -> Result<(), Error> {
        let rows: Vec<(Uuid, NewOrder<'_>)> = submits
            .iter()
            .filter_map(|planned| match (&planned.step, planned.order_id) {
                (Step::Submit(new), Some(id)) => {
                    let replaces = new.replaces.and_then(|id| self.stored_as(id));
                    Some((id, NewOrder { replaces, ..*new }))
                }
                _ => None,
            })
            .collect();
        let taken = self.tx.orders().submit_rows(&rows);
        match taken {
            Ok(orders) => {
                self.applied.tally.orders += orders.len() as u64;
                for ((id, _), order) in rows.iter().zip(orders) {
                    if order.id != *id {
                        self.stored.insert(*id, Some(order.id));
                    }
                }
                Ok(())
            }
            Err(error) if !error.is_refusal() => Err(error),
            Err(error) => match submits {
                [planned] => {
                    let id = planned.order_id.unwrap_or_default();
                    self.stored.insert(id, None);
                    self.applied.problem(planned.event.line, error.to_string());
                    Ok(())
                }
                _ => halves(submits, |half| self.submit(half)),
            },
        }
    }

    fn record(&mut self, fills: &[Planned<'_>]) -> Result<(), Error> {
        let mut known = Vec::with_capacity(fills.len());
        for planned in fills {
            match (&planned.step, self.order(planned)) {
                (Step::Fill(id, new), Some(order_id)) => {
                    known.push((planned, (*id, NewFill { order_id, ..*new })));
                }
                _ => self.report(planned)?,
            }
        }
        let (planned, rows): (Vec<_>, Vec<_>) = known.into_iter().unzip();
        let recorded = self.tx.fills().record_each(&rows)?;
        for ((planned, (id, _)), fill) in planned.into_iter().zip(rows).zip(recorded) {
            match fill {
                Ok(fill) if fill.id == id => self.applied.tally.fills += 1,
                Ok(_) => self.applied.tally.duplicates += 1,
                Err(_) => self.report(planned)?,
            }
        }
        Ok(())
    }

    fn log(&mut self, entries: &[Planned<'_>]) -> Result<(), Error> {
        let known: Vec<_> = entries
            .iter()
            .filter_map(|planned| match (&planned.step, self.order(planned)) {
                (Step::Log(id, new), Some(order_id)) => {
                    Some((planned, (id.of(order_id), NewExecutionLog { order_id, ..*new })))
                }
                // Its order was refused, which has been said.
                _ => None,
            })
            .collect();
        self.log_known(&known)
    }

    fn log_known(
        &mut self,
        entries: &[(&Planned<'_>, (Uuid, NewExecutionLog<'_>))],
    ) -> Result<(), Error> {
        if entries.is_empty() {
            return Ok(());
        }
        let rows: Vec<_> = entries.iter().map(|(_, row)| *row).collect();
        match self.tx.execution_logs().append_rows(&rows) {
            Ok(logged) => {
                let tally = &mut self.applied.tally;
                for entry in logged {
                    match entry.action {
                        Action::Cancelled => tally.cancels += 1,
                        Action::Rejected => tally.rejects += 1,
                        _ => tally.actions += 1,
                    }
                }
                Ok(())
            }
            Err(error) if !error.is_refusal() => Err(error),
            Err(error) => match entries {
                [(planned, row)] => self.refused(planned, row, &error),
                _ => halves(entries, |half| self.log_known(half)),
            },
        }
    }

    /// An action that is refused has happened already if it is logged, by somebody else a moment ago, or
    /// if its order is where it leads.
    fn refused(
        &mut self,
        planned: &Planned<'_>,
        (id, new): &(Uuid, NewExecutionLog<'_>),
        error: &Error,
    ) -> Result<(), Error> {
        let logged = execution_logs::table.find(id).select(execution_logs::order_id);
        let logged: Option<Uuid> = logged.first(self.tx.connection()).optional()?;
        if logged == Some(new.order_id) {
            self.applied.tally.duplicates += 1;
            return Ok(());
        }
        let order = self.tx.orders().get(new.order_id)?;
        let leads_to = match new.action {
            Action::Cancelled => Some(OrderStatus::Cancelled),
            Action::Rejected => Some(OrderStatus::Rejected),
            _ => None,
        };
        if error.is_illegal_transition() && leads_to == Some(order.status) {
            self.applied.tally.duplicates += 1;
        } else {
            self.applied.problem(planned.event.line, error.to_string());
        }
        Ok(())
    }

    fn execute(&mut self, planned: &Planned<'_>) -> Result<(), Error> {
        match &planned.step {
            Step::Mismatch(execution, detail) => {
                let order_id = self.order(planned);
                let execution = Execution { order_id, ..execution.clone() };
                let venue =
                    stored_venue(self.tx, &execution, &self.options.venue, BreaksOf::Executions)?;
                let venue = venue.as_deref().unwrap_or(execution.venue);
                let execution = Execution { venue, ..execution };
                let kept = self.tx.breaks().keep(&execution, BreakReason::Mismatch, detail)?;
                self.broken(&kept, planned)
            }
            _ => self.report(planned),
        }
    }

    /// Records an execution by itself, or keeps it as a break.
    fn report(&mut self, planned: &Planned<'_>) -> Result<(), Error> {
        let order_id = self.order(planned);
        let execution = match &planned.step {
            Step::Execution(execution) => Execution { order_id, ..execution.clone() },
            _ => match execution(planned.event, order_id, self.options) {
                Ok(execution) => execution,
                Err(why) => {
                    self.applied.problem(planned.event.line, why);
                    return Ok(());
                }
            },
        };
        let venue = stored_venue(self.tx, &execution, &self.options.venue, BreaksOf::Executions)?;
        let venue = venue.as_deref().unwrap_or(execution.venue);
        let execution = Execution { venue, ..execution };
        match self.tx.breaks().record_or_break(&execution) {
            Ok(Outcome::Recorded(_)) => {
                self.applied.tally.fills += 1;
                Ok(())
            }
            Ok(Outcome::Known(_)) => {
                self.applied.tally.duplicates += 1;
                Ok(())
            }
            Ok(Outcome::Broken(kept)) => self.broken(&kept, planned),
            Err(error) if error.is_refusal() => {
                self.applied.problem(planned.event.line, error.to_string());
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// Books what came after the end of its order if the venue has counted it there; otherwise it is for
    /// people to resolve.
    fn broken(&mut self, kept: &Break, planned: &Planned<'_>) -> Result<(), Error> {
        if self.tx.breaks().get(kept.id)?.resolution.is_some() {
            self.applied.tally.duplicates += 1;
            return Ok(());
        }
        if kept.reason == BreakReason::OrderEnded
            && let (Some(meant), Some(order_id)) = (planned.order_id, kept.order_id)
            && let Some(counted) = self.counted(meant, planned)
            && self.filled(order_id)? + &kept.quantity <= counted
        {
            let reason =
                format!("the venue counts it: {counted} filled in all when the order ended");
            let book = NewBreakResolution::book(kept.id, &reason);
            // In a savepoint: if it is refused, the break stays open.
            let role = self.tx.role();
            let conn = self.tx.connection();
            match conn.transaction(|conn| Breaks { conn, role }.resolve(&book)) {
                Ok(_) => {
                    self.applied.tally.fills += 1;
                    self.applied.tally.late_fills += 1;
                    return Ok(());
                }
                Err(error) if error.is_refusal() => {}
                Err(error) => return Err(error),
            }
        }
        *self.applied.tally.breaks.entry(kept.reason).or_default() += 1;
        Ok(())
    }

    /// Shares that the venue counted of the order when it made the report.
    fn counted(&self, meant: Uuid, planned: &Planned<'_>) -> Option<BigDecimal> {
        let now = planned.counted.map(Number::value);
        now.max(self.before.get(&meant).map(|standing| standing.filled_quantity.clone()))
    }

    /// Shares that are filled of the whole replace chain of an order.
    fn filled(&mut self, order_id: Uuid) -> Result<BigDecimal, Error> {
        let last = last_order(self.tx, order_id)?;
        let chain = self.tx.orders().load_chains(&[last])?;
        Ok(chain.values().map(|order| BigDecimal::from(order.filled_quantity)).sum())
    }
}

fn heads<'e>(
    queues: &mut [VecDeque<Planned<'e>>],
    all: bool,
    is_meant: impl Fn(&Step<'e>) -> bool,
) -> Vec<Planned<'e>> {
    let mut heads = Vec::new();
    for queue in queues {
        while queue.front().is_some_and(|planned| is_meant(&planned.step)) {
            heads.extend(queue.pop_front());
            if !all {
                break;
            }
        }
    }
    heads
}

/// Takes one half and then the other, to find what is refused.
fn halves<T>(all: &[T], mut take: impl FnMut(&[T]) -> Result<(), Error>) -> Result<(), Error> {
    let (first, second) = all.split_at(all.len() / 2);
    take(first)?;
    take(second)
}
