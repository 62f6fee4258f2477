//! Writes the steps of a batch: each queue in its sequence, and the steps of different queues together in
//! one statement where possible.

mod heads;
mod late_executions;

use std::collections::HashMap;

use bigdecimal::ToPrimitive;
use uuid::Uuid;

use self::heads::{Take, into_queues, pop_matching};
use super::executions::{Classification, KnownExecutions};
use super::kept;
use super::options::Options;
use super::order_chain::fills_of_execution;
use super::plan::TotalsOf;
use super::retry::resolve_if_open_as;
use super::step::{PlannedStep, Report, Step, execution, execution_as_far_as_known};
use super::tally::{Fate, Outcome};
use super::terms::Terms;
use super::totals::{LatestTotals, VenueTotals};
use crate::breaks::{self, Execution, ExecutionIds, NewBreakResolution};
use crate::database::bisect::bisect;
use crate::database::role::Engine;
use crate::database::transaction::Tx;
use crate::error::Error;
use crate::execution_logs::{EntryRow, Logged, NewExecutionLog};
use crate::fills::{NewFill, StoredFill};
use crate::orders::NewOrder;
use crate::types::enums::{Action, BreakReason, OrderStatus};

/// Writes queues of steps in the transaction of a batch.
pub(super) struct QueueWriter<'w, 'c> {
    pub tx: &'w mut Tx<'c, Engine>,
    pub outcome: &'w mut Outcome,
    pub known: KnownExecutions<'w>,
    pub totals: &'w LatestTotals,
    /// Those of the batch that earlier rounds have written.
    pub written_totals: &'w [VenueTotals],
    /// The reports of this round that state totals.
    pub batch_totals: &'w [(&'w Report<'w>, TotalsOf)],
    pub options: &'w Options,
    /// Whether fills that come after the end of their order are booked by what the input counts: at its end.
    pub books_late: bool,
    /// The orders that are stored under another id than planned because a concurrent session submitted
    /// them first.
    pub stored_ids: HashMap<Uuid, Uuid>,
    /// Why the database refuses the orders that the reports at these places present.
    pub refused: HashMap<usize, String>,
    /// Whether the caller can plan again if the plan is outdated.
    pub may_plan_again: bool,
    /// Whether a concurrent session has submitted an order first, so that the plan was made for another one: the ids
    /// of entries, for instance, are made of that of the order.
    pub is_outdated: bool,
}

impl QueueWriter<'_, '_> {
    /// Writes the queues until they are empty: in each round the steps of one kind from the heads of all
    /// queues, so that one statement writes many rows and each queue keeps its sequence.
    ///
    /// It stops if the database refuses an order, or if a concurrent session has submitted the order first. The steps
    /// that follow were planned for that order, so the caller rolls back and plans again.
    ///
    /// Returns the reports that repeat another report of the batch, those of `repeated` among them, if that one has become
    /// a break. The caller compares each of them with the break.
    pub fn write<'e>(
        &mut self,
        unlogged_breaks: &[PlannedStep<'_>],
        steps: Vec<PlannedStep<'e>>,
        mut repeated: Vec<(&'e Report<'e>, usize)>,
    ) -> Result<Vec<&'e Report<'e>>, Error> {
        for planned in unlogged_breaks {
            self.write_alone(planned)?;
        }
        let mut queues = into_queues(self.remove_known(steps, &mut repeated));
        while !queues.is_empty() {
            let orders =
                pop_matching(&mut queues, Take::First, |step| matches!(step, Step::Submit(_)));
            self.submit_orders(&orders)?;
            if self.is_outdated || !self.refused.is_empty() {
                return Ok(Vec::new());
            }
            let fills =
                pop_matching(&mut queues, Take::Fills, |step| matches!(step, Step::Fill(..)));
            self.record_fills(&fills)?;
            let entries = pop_matching(&mut queues, Take::First, |step| {
                matches!(step, Step::Log(_) | Step::LogVenueId(_))
            });
            self.log_actions(&entries)?;
            let others = pop_matching(&mut queues, Take::All, |step| {
                matches!(
                    step,
                    Step::Execution(_)
                        | Step::Crossing { .. }
                        | Step::Break(..)
                        | Step::ImportBreak { .. }
                        | Step::Resolve { .. }
                )
            });
            for planned in others {
                self.write_alone(&planned)?;
            }
            queues.retain(|queue| !queue.is_empty());
        }
        repeated.retain(|(report, first)| {
            let is_broken = self.outcome.fate(*first) == Some(Fate::Broken);
            if !is_broken {
                self.outcome.set(report.place, Fate::Known);
            }
            is_broken
        });
        Ok(repeated.into_iter().map(|(report, _)| report).collect())
    }

    /// Removes the executions that are stored already, and those that repeat an earlier one of the batch. One
    /// whose key has other content becomes a break.
    fn remove_known<'e>(
        &mut self,
        steps: Vec<PlannedStep<'e>>,
        repeated: &mut Vec<(&'e Report<'e>, usize)>,
    ) -> Vec<PlannedStep<'e>> {
        let mut remaining = Vec::with_capacity(steps.len());
        for mut planned in steps {
            match self.known.classify(&planned) {
                Classification::New => remaining.push(planned),
                Classification::Repeated(first) => repeated.push((planned.report, first)),
                Classification::Known => self.outcome.set(planned.report.place, Fate::Known),
                Classification::Broken(open) => {
                    self.outcome.keep(planned.report, &open, self.options);
                }
                Classification::Mismatch(why) => {
                    planned.step = Step::Break(BreakReason::Mismatch, why);
                    remaining.push(planned);
                }
            }
        }
        remaining
    }

    /// Returns the id under which an order is stored.
    fn stored_id(&self, id: Uuid) -> Uuid {
        self.stored_ids.get(&id).copied().unwrap_or(id)
    }

    /// The order of a step as it is stored; none if it is unknown.
    fn order_of(&self, planned: &PlannedStep<'_>) -> Option<Uuid> {
        planned.order_id.map(|id| self.stored_id(id))
    }

    fn submit_orders(&mut self, planned: &[PlannedStep<'_>]) -> Result<(), Error> {
        let (steps, rows): (Vec<_>, Vec<(Uuid, NewOrder<'_>)>) = planned
            .iter()
            .filter_map(|planned| match (&planned.step, planned.order_id) {
                (Step::Submit(terms), Some(id)) => {
                    let replaces = terms.replaces.map(|id| self.stored_id(id));
                    Some(((planned.report, terms), (id, terms.to_new_order(replaces))))
                }
                _ => None,
            })
            .unzip();
        let submitted = bisect(&rows, &mut |rows| self.tx.orders().submit_rows(rows))?;
        for (((report, terms), (id, new)), order) in steps.into_iter().zip(rows).zip(submitted) {
            let stored = match (order, new.client_order_id) {
                (Ok(order), _) => Ok(order.id),
                // A concurrent session has submitted the order from another report of it.
                (Err(error), Some(client_id)) if error.is_mismatch() => {
                    let (trader, day) = (new.trader_id, new.trading_day);
                    let stored = self.tx.orders().by_client_order_id(trader, client_id, day)?;
                    let stored_terms = Terms::of_stored(&stored);
                    match stored_terms.check(report.event, self.options) {
                        Ok(()) if stored_terms.replaces == terms.replaces => Ok(stored.id),
                        _ => Err(error),
                    }
                }
                (Err(error), _) => Err(error),
            };
            match stored {
                Ok(stored) if stored == id => {
                    self.outcome.tally.orders += 1;
                    self.outcome.set(report.place, Fate::Applied);
                }
                // An order of an export keeps the ids of its entries.
                Ok(_) if self.may_plan_again && report.event.id.is_none() => {
                    self.is_outdated = true;
                }
                Ok(stored) => {
                    self.stored_ids.insert(id, stored);
                    self.outcome.set(report.place, Fate::Known);
                }
                Err(error) => drop(self.refused.insert(report.place, error.to_string())),
            }
        }
        Ok(())
    }

    fn record_fills(&mut self, planned: &[PlannedStep<'_>]) -> Result<(), Error> {
        let (steps, rows): (Vec<_>, Vec<(Uuid, NewFill<'_>)>) = planned
            .iter()
            .filter_map(|planned| match (&planned.step, self.order_of(planned)) {
                (Step::Fill(id, new), Some(order_id)) => {
                    Some((planned, (*id, NewFill { order_id, ..*new })))
                }
                _ => None,
            })
            .unzip();
        let recorded = self.tx.fills().record_each(&rows)?;
        for (planned, fill) in steps.into_iter().zip(recorded) {
            match fill {
                Ok(StoredFill::New(_)) => {
                    self.outcome.tally.fills += 1;
                    self.outcome.set(planned.report.place, Fate::Applied);
                }
                Ok(StoredFill::Known(_)) => self.outcome.set(planned.report.place, Fate::Known),
                Err(error) => self.record_refused(planned, &error)?,
            }
        }
        Ok(())
    }

    /// Records an execution that was refused among others: alone, or as a break.
    fn record_refused(&mut self, planned: &PlannedStep<'_>, error: &Error) -> Result<(), Error> {
        let order_id = self.order_of(planned);
        // A concurrent session has recorded it with a clock of another precision, or another commission.
        if error.is_mismatch()
            && let (Some(order_id), Some(id)) =
                (order_id, planned.report.event.execution_id.as_deref())
            && self.is_recorded(order_id, id, planned)?
        {
            self.outcome.set(planned.report.place, Fate::Known);
            return Ok(());
        }
        match execution(planned.report, order_id, self.options) {
            Ok(execution) => self.record_or_break(planned, &execution),
            Err(why) => self.keep(planned, BreakReason::Invalid, &why),
        }
    }

    /// Returns whether the fill that is stored under the key of a report is the same execution.
    fn is_recorded(
        &mut self,
        order_id: Uuid,
        execution_id: &str,
        planned: &PlannedStep<'_>,
    ) -> Result<bool, Error> {
        let fills = fills_of_execution(self.tx, order_id, execution_id)?;
        Ok(fills.iter().any(|fill| KnownExecutions::is_fill(fill, planned.report, self.options)))
    }

    fn log_actions(&mut self, planned: &[PlannedStep<'_>]) -> Result<(), Error> {
        let (steps, rows): (Vec<_>, Vec<EntryRow<'_>>) = planned
            .iter()
            .filter_map(|planned| {
                let (Step::Log(new) | Step::LogVenueId(new)) = &planned.step else { return None };
                let order_id = self.order_of(planned)?;
                let row = NewExecutionLog { order_id, ..*new }.row();
                // The API has no FILLED, which only fills lead to. If a report says so, the database compares
                // it with the status that the order has.
                let is_filled = row.action == Action::Recovered
                    && planned.report.event.status == Some(OrderStatus::Filled);
                let status = row.status.or(is_filled.then_some(OrderStatus::Filled));
                let mut row = EntryRow { status, ..row };
                // Clients of the database itself may write columns that the API has not for this action.
                if planned.report.event.is_exported() {
                    let event = planned.report.event;
                    row.venue_order_id = event.venue_order_id.as_deref();
                    row.error_code = event.error_code.as_deref();
                    row.retry_attempt = event.retry_attempt.and_then(|it| it.to_i32());
                }
                Some((planned, row))
            })
            .unzip();
        let logged = bisect(&rows, &mut |rows| self.tx.execution_logs().append_rows(rows))?;
        for ((planned, row), entry) in steps.into_iter().zip(&rows).zip(logged) {
            let place = planned.report.place;
            let is_report = matches!(planned.step, Step::Log(_));
            match entry {
                Ok(Logged::New(entry)) => {
                    *match entry.action {
                        Action::Cancelled => &mut self.outcome.tally.cancels,
                        Action::Rejected => &mut self.outcome.tally.rejects,
                        _ => &mut self.outcome.tally.actions,
                    } += 1;
                    if is_report {
                        self.outcome.set(place, Fate::Applied);
                    }
                }
                Ok(Logged::Known(_)) if is_report => self.outcome.set(place, Fate::Known),
                Err(error) if is_report => self.handle_refused_action(planned, row, &error)?,
                // What the entry says besides its report is of use only while the order can take it.
                Ok(Logged::Known(_)) | Err(_) => {}
            }
        }
        Ok(())
    }

    /// Keeps a refused action as a break, unless it says nothing new: the order is in the status that the action
    /// leads to, or it is a step on the way to the venue of an order that has ended.
    fn handle_refused_action(
        &mut self,
        planned: &PlannedStep<'_>,
        row: &EntryRow<'_>,
        error: &Error,
    ) -> Result<(), Error> {
        let place = planned.report.place;
        if error.is_illegal_transition() {
            let status = self.tx.orders().get(row.order_id)?.status;
            match (row.action, status) {
                (Action::Cancelled, OrderStatus::Cancelled)
                | (Action::Rejected, OrderStatus::Rejected) => {
                    self.outcome.set(place, Fate::Known);
                    return Ok(());
                }
                (Action::Executed | Action::Approved, _) => {
                    self.outcome.set(place, Fate::WithoutEffect);
                    return Ok(());
                }
                _ => {}
            }
        }
        self.keep(planned, BreakReason::UnappliedAction, &error.to_string())
    }

    fn write_alone(&mut self, planned: &PlannedStep<'_>) -> Result<(), Error> {
        match &planned.step {
            Step::Break(reason, why) => self.keep(planned, *reason, why),
            Step::Execution(execution) => {
                let execution = Execution { order_id: self.order_of(planned), ..execution.clone() };
                self.apply_execution(planned, &execution)
            }
            Step::Crossing { execution, root, last } => {
                self.record_crossing(planned, execution, *root, *last)
            }
            Step::ImportBreak { id, reason } => self.import_break(planned, *id, *reason),
            Step::Resolve { break_id, is_booked } => self.resolve(planned, *break_id, *is_booked),
            Step::Submit(_) | Step::Log(_) | Step::LogVenueId(_) | Step::Fill(..) => Ok(()),
        }
    }

    /// Stores a break of an export.
    fn import_break(
        &mut self,
        planned: &PlannedStep<'_>,
        id: Uuid,
        reason: BreakReason,
    ) -> Result<(), Error> {
        let report = planned.report;
        let order_id = self.order_of(planned);
        let execution = execution_as_far_as_known(report, order_id, self.options);
        let detail = report.event.reason.as_deref().unwrap_or_default();
        match self.tx.breaks().import(id, &execution, reason, detail) {
            Ok(kept) if kept.id == id => self.outcome.set(report.place, Fate::Applied),
            // The same report is a break of this store.
            Ok(_) => self.outcome.set(report.place, Fate::Known),
            Err(error) if error.is_refusal() => {
                self.keep(planned, BreakReason::UnappliedAction, &error.to_string())?;
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Resolves a break as an export says.
    fn resolve(
        &mut self,
        planned: &PlannedStep<'_>,
        break_id: Uuid,
        is_booked: bool,
    ) -> Result<(), Error> {
        let event = planned.report.event;
        let resolution = match is_booked {
            true => breaks::Resolution::Book { order: self.order_of(planned) },
            false => breaks::Resolution::Dismiss,
        };
        let reason = event.reason.as_deref().unwrap_or_default();
        let new = NewBreakResolution { break_id, resolution, reason };
        let id = event.id.unwrap_or_else(Uuid::now_v7);
        match resolve_if_open_as(self.tx, id, &new) {
            Ok(true) => {
                self.outcome.tally.fills += u64::from(is_booked);
                self.outcome.set(planned.report.place, Fate::Applied);
            }
            // A concurrent import of the same export has resolved it.
            Ok(false) => self.outcome.set(planned.report.place, Fate::Known),
            Err(error) if error.is_refusal() => {
                self.keep(planned, BreakReason::UnappliedAction, &error.to_string())?;
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Records one execution, or books the break that it was kept as.
    fn apply_execution(
        &mut self,
        planned: &PlannedStep<'_>,
        execution: &Execution<'_>,
    ) -> Result<(), Error> {
        match planned.report.retried {
            Some(_) => self.book(planned, execution),
            None => self.record_or_break(planned, execution),
        }
    }

    /// Records one execution, or keeps it as a break.
    fn record_or_break(
        &mut self,
        planned: &PlannedStep<'_>,
        execution: &Execution<'_>,
    ) -> Result<(), Error> {
        let report = planned.report;
        let id = report.event.id.or(report.content_id);
        let new = ExecutionIds::default();
        let ids = ExecutionIds {
            fill_id: id.unwrap_or(new.fill_id),
            break_id: id.unwrap_or(new.break_id),
        };
        match self.tx.breaks().record_or_break_as(&ids, execution) {
            Ok(breaks::Outcome::Recorded(_)) => {
                self.outcome.tally.fills += 1;
                self.outcome.set(report.place, Fate::Applied);
            }
            Ok(breaks::Outcome::Known(_)) => self.outcome.set(report.place, Fate::Known),
            Ok(breaks::Outcome::Broken(kept)) => {
                self.count(planned, &kept)?;
            }
            Err(error) if error.is_refusal() => {
                self.keep(planned, BreakReason::Invalid, &error.to_string())?;
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Keeps a report as a break. One that is tried again stays the break that it is.
    fn keep(
        &mut self,
        planned: &PlannedStep<'_>,
        reason: BreakReason,
        why: &str,
    ) -> Result<(), Error> {
        if planned.report.retried.is_some() {
            self.outcome.set(planned.report.place, Fate::Broken);
            return Ok(());
        }
        let order_id = self.order_of(planned);
        let kept = kept::store(self.tx, planned.report, order_id, reason, why, self.options)?;
        self.count(planned, &kept)
    }

    /// Counts a report as broken, or as known if somebody has resolved its break.
    fn count(&mut self, planned: &PlannedStep<'_>, kept: &breaks::Break) -> Result<(), Error> {
        match self.tx.breaks().get(kept.id)?.resolution {
            Some(_) => self.outcome.set(planned.report.place, Fate::Known),
            None => self.outcome.keep(planned.report, kept, self.options),
        }
        Ok(())
    }
}
