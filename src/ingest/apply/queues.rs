//! Writes the steps of a batch: each queue in its sequence, and the steps of different queues together in
//! one statement where possible.

use std::collections::{HashMap, VecDeque};

use bigdecimal::BigDecimal;
use diesel::prelude::*;
use uuid::Uuid;

use super::options::Options;
use super::order_chain::last_order;
use super::step::{PlannedStep, Step, execution};
use super::stored_venue::{BreaksOf, stored_venue};
use super::tally::Outcome;
use super::venue_totals::VenueTotals;
use crate::breaks::{self, Break, Breaks, Execution, NewBreakResolution};
use crate::database::bisect::bisect;
use crate::database::role::Engine;
use crate::database::transaction::Tx;
use crate::error::Error;
use crate::execution_logs::{EntryRow, Logged, NewExecutionLog};
use crate::fills::{NewFill, StoredFill};
use crate::ingest::event::Number;
use crate::orders::NewOrder;
use crate::types::enums::{Action, BreakReason, OrderStatus};

/// Writes queues of steps in the transaction of a batch.
pub(super) struct QueueWriter<'w, 'c> {
    tx: &'w mut Tx<'c, Engine>,
    outcome: &'w mut Outcome,
    /// The orders that are stored under another id than planned because a concurrent session submitted
    /// them first; none for those that were refused.
    stored_ids: HashMap<Uuid, Option<Uuid>>,
    /// The venue's totals, from before the batch, of orders whose stored totals differed.
    totals_before: &'w HashMap<Uuid, VenueTotals>,
    options: &'w Options,
}

impl<'w, 'c> QueueWriter<'w, 'c> {
    pub fn new(
        tx: &'w mut Tx<'c, Engine>,
        outcome: &'w mut Outcome,
        totals_before: &'w HashMap<Uuid, VenueTotals>,
        options: &'w Options,
    ) -> Self {
        Self { tx, outcome, stored_ids: HashMap::new(), totals_before, options }
    }

    /// Writes the queues until they are empty: in each round the steps of one kind from the heads of all
    /// queues, so that one statement writes many rows and each queue keeps its sequence.
    pub fn write(&mut self, mut queues: Vec<VecDeque<PlannedStep<'_>>>) -> Result<(), Error> {
        while !queues.is_empty() {
            let orders =
                pop_matching(&mut queues, Take::First, |step| matches!(step, Step::Submit(_)));
            self.submit_orders(&orders)?;
            let fills = pop_matching(&mut queues, Take::All, |step| matches!(step, Step::Fill(..)));
            self.record_fills(&fills)?;
            let entries =
                pop_matching(&mut queues, Take::First, |step| matches!(step, Step::Log(..)));
            self.log_actions(&entries)?;
            let others = pop_matching(&mut queues, Take::All, |step| {
                matches!(step, Step::Execution(_) | Step::Mismatch(..))
            });
            for planned in others {
                self.write_execution(&planned)?;
            }
            queues.retain(|queue| !queue.is_empty());
        }
        Ok(())
    }

    /// Returns the id under which an order is stored; none if it was refused.
    pub fn stored_id(&self, id: Uuid) -> Option<Uuid> {
        self.stored_ids.get(&id).copied().unwrap_or(Some(id))
    }

    /// The order of a step as it is stored; none if it was refused, or is unknown.
    fn order_of(&self, planned: &PlannedStep<'_>) -> Option<Uuid> {
        planned.order_id.and_then(|id| self.stored_id(id))
    }

    fn submit_orders(&mut self, planned: &[PlannedStep<'_>]) -> Result<(), Error> {
        let (lines, rows): (Vec<u64>, Vec<(Uuid, NewOrder<'_>)>) = planned
            .iter()
            .filter_map(|planned| match (&planned.step, planned.order_id) {
                (Step::Submit(new), Some(id)) => {
                    let replaces = new.replaces.and_then(|id| self.stored_id(id));
                    Some((planned.event.line, (id, NewOrder { replaces, ..*new })))
                }
                _ => None,
            })
            .unzip();
        let submitted = bisect(&rows, &mut |rows| self.tx.orders().submit_rows(rows))?;
        for ((line, (id, new)), order) in lines.into_iter().zip(rows).zip(submitted) {
            match order {
                Ok(order) => {
                    self.outcome.tally.orders += 1;
                    if order.id != id {
                        self.stored_ids.insert(id, Some(order.id));
                    }
                }
                // A concurrent session has submitted the order from a report that states fewer of its terms.
                Err(error) => match new.client_order_id {
                    // A concurrent session has submitted the order from a report that states fewer of its terms.
                    Some(client_id) if differs_in_terms_of_new_order(&error) => {
                        let (trader_id, day) = (new.trader_id, new.trading_day);
                        let stored =
                            self.tx.orders().by_client_order_id(trader_id, client_id, day)?;
                        self.outcome.tally.orders += 1;
                        self.stored_ids.insert(id, Some(stored.id));
                    }
                    _ => {
                        self.stored_ids.insert(id, None);
                        self.outcome.add_problem(line, error.to_string());
                    }
                },
            }
        }
        Ok(())
    }

    fn record_fills(&mut self, planned: &[PlannedStep<'_>]) -> Result<(), Error> {
        let mut of_known_orders = Vec::with_capacity(planned.len());
        for planned in planned {
            match (&planned.step, self.order_of(planned)) {
                (Step::Fill(id, new), Some(order_id)) => {
                    of_known_orders.push((planned, (*id, NewFill { order_id, ..*new })));
                }
                _ => self.record_or_break(planned)?,
            }
        }
        let (planned, rows): (Vec<_>, Vec<_>) = of_known_orders.into_iter().unzip();
        let recorded = self.tx.fills().record_each(&rows)?;
        for (planned, fill) in planned.into_iter().zip(recorded) {
            match fill {
                Ok(StoredFill::New(_)) => self.outcome.tally.fills += 1,
                Ok(StoredFill::Known(_)) => self.outcome.tally.duplicates += 1,
                Err(_) => self.record_or_break(planned)?,
            }
        }
        Ok(())
    }

    fn log_actions(&mut self, planned: &[PlannedStep<'_>]) -> Result<(), Error> {
        let (lines, rows): (Vec<u64>, Vec<EntryRow<'_>>) = planned
            .iter()
            .filter_map(|planned| match (&planned.step, self.order_of(planned)) {
                (Step::Log(id, new), Some(order_id)) => {
                    let report_id = Some(id.for_order(order_id));
                    let row = NewExecutionLog { order_id, report_id, ..*new }.row();
                    // The API has no FILLED, which only fills lead to. If a report says so, the
                    // database compares it with the status that the order has.
                    let is_filled = row.action == Action::Recovered
                        && planned.event.status == Some(OrderStatus::Filled);
                    let status = row.status.or(is_filled.then_some(OrderStatus::Filled));
                    Some((planned.event.line, EntryRow { status, ..row }))
                }
                // Its order was refused, and that has been reported as a problem.
                _ => None,
            })
            .unzip();
        let logged = bisect(&rows, &mut |rows| self.tx.execution_logs().append_rows(rows))?;
        for ((line, row), entry) in lines.into_iter().zip(&rows).zip(logged) {
            match entry {
                // A concurrent session has logged the same report.
                Ok(Logged::Known(_)) => self.outcome.tally.duplicates += 1,
                Ok(Logged::New(entry)) => match entry.action {
                    Action::Cancelled => self.outcome.tally.cancels += 1,
                    Action::Rejected => self.outcome.tally.rejects += 1,
                    _ => self.outcome.tally.actions += 1,
                },
                Err(error) => self.handle_refused_action(line, row, &error)?,
            }
        }
        Ok(())
    }

    /// Counts a refused action as a duplicate if the order is already in the status that the action leads
    /// to; otherwise as a problem.
    fn handle_refused_action(
        &mut self,
        line: u64,
        row: &EntryRow<'_>,
        error: &Error,
    ) -> Result<(), Error> {
        let order = self.tx.orders().get(row.order_id)?;
        let leads_to = match row.action {
            Action::Cancelled => Some(OrderStatus::Cancelled),
            Action::Rejected => Some(OrderStatus::Rejected),
            _ => None,
        };
        if error.is_illegal_transition() && leads_to == Some(order.status) {
            self.outcome.tally.duplicates += 1;
        } else {
            self.outcome.add_problem(line, error.to_string());
        }
        Ok(())
    }

    fn write_execution(&mut self, planned: &PlannedStep<'_>) -> Result<(), Error> {
        let Step::Mismatch(execution, detail) = &planned.step else {
            return self.record_or_break(planned);
        };
        let order_id = self.order_of(planned);
        let execution = Execution { order_id, ..execution.clone() };
        let venue = self.stored_venue(&execution)?;
        let venue = venue.as_deref().unwrap_or(execution.venue);
        let execution = Execution { venue, ..execution };
        let kept = self.tx.breaks().insert_or_find(&execution, BreakReason::Mismatch, detail)?;
        self.handle_break(&kept, planned)
    }

    /// Records one execution, or keeps it as a break.
    fn record_or_break(&mut self, planned: &PlannedStep<'_>) -> Result<(), Error> {
        let order_id = self.order_of(planned);
        let execution = match &planned.step {
            Step::Execution(execution) => Execution { order_id, ..execution.clone() },
            _ => match execution(planned.event, order_id, self.options) {
                Ok(execution) => execution,
                Err(why) => {
                    self.outcome.add_problem(planned.event.line, why);
                    return Ok(());
                }
            },
        };
        let venue = self.stored_venue(&execution)?;
        let venue = venue.as_deref().unwrap_or(execution.venue);
        let execution = Execution { venue, ..execution };
        match self.tx.breaks().record_or_break(&execution) {
            Ok(breaks::Outcome::Recorded(_)) => self.outcome.tally.fills += 1,
            Ok(breaks::Outcome::Known(_)) => self.outcome.tally.duplicates += 1,
            Ok(breaks::Outcome::Broken(kept)) => self.handle_break(&kept, planned)?,
            Err(error) if error.is_refusal() => {
                self.outcome.add_problem(planned.event.line, error.to_string());
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    fn stored_venue(&mut self, execution: &Execution<'_>) -> Result<Option<String>, Error> {
        stored_venue(self.tx, execution, &self.options.venue, BreaksOf::Executions)
    }

    /// Books a fill that came after the end of its order if the venue's totals already count it; leaves
    /// every other break for people to resolve.
    fn handle_break(&mut self, kept: &Break, planned: &PlannedStep<'_>) -> Result<(), Error> {
        if self.tx.breaks().get(kept.id)?.resolution.is_some() {
            self.outcome.tally.duplicates += 1;
            return Ok(());
        }
        if kept.reason == BreakReason::OrderEnded
            && let (Some(planned_id), Some(order_id)) = (planned.order_id, kept.order_id)
            && let Some(venue_filled) = self.venue_filled(planned_id, planned)
            && self.chain_filled(order_id)? + &kept.quantity <= venue_filled
        {
            let reason =
                format!("the venue counts it: {venue_filled} filled in all when the order ended");
            let book = NewBreakResolution::book(kept.id, &reason);
            // Savepoint: if the booking is refused, the break stays open and the batch goes on.
            let role = self.tx.role();
            let conn = self.tx.conn();
            match conn.transaction(|conn| Breaks { conn, role }.resolve(&book)) {
                Ok(_) => {
                    self.outcome.tally.fills += 1;
                    self.outcome.tally.late_fills += 1;
                    return Ok(());
                }
                Err(error) if error.is_refusal() => {}
                Err(error) => return Err(error),
            }
        }
        self.outcome.tally.add_break(kept.reason);
        Ok(())
    }

    /// The shares that the venue counted as filled of an order when it sent the report.
    fn venue_filled(&self, planned_id: Uuid, planned: &PlannedStep<'_>) -> Option<BigDecimal> {
        let in_batch = planned.venue_filled.map(Number::value);
        let before = self.totals_before.get(&planned_id);
        in_batch.max(before.map(|totals| totals.filled_quantity.clone()))
    }

    /// The shares that are filled of the whole chain of an order.
    fn chain_filled(&mut self, order_id: Uuid) -> Result<BigDecimal, Error> {
        let last = last_order(self.tx, order_id)?;
        let chain = self.tx.orders().load_chains(&[last])?;
        Ok(chain.values().map(|order| BigDecimal::from(order.filled_quantity)).sum())
    }
}

/// Whether the order is stored already, and differs only in terms that new orders (FIX 35=D) state in full and
/// reports of them do not.
fn differs_in_terms_of_new_order(error: &Error) -> bool {
    const TERMS: [&str; 5] =
        ["account", "time in force", "currency", "received at", "instructions"];
    let fields = error.differing_fields();
    error.is_mismatch() && !fields.is_empty() && fields.iter().all(|field| TERMS.contains(field))
}

/// How many matching steps to take from the head of each queue.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Take {
    First,
    All,
}

/// Removes from the head of each queue the steps that match, and returns them.
fn pop_matching<'e>(
    queues: &mut [VecDeque<PlannedStep<'e>>],
    take: Take,
    matches: impl Fn(&Step<'e>) -> bool,
) -> Vec<PlannedStep<'e>> {
    let mut popped = Vec::new();
    for queue in queues {
        while queue.front().is_some_and(|planned| matches(&planned.step)) {
            popped.extend(queue.pop_front());
            if take == Take::First {
                break;
            }
        }
    }
    popped
}
