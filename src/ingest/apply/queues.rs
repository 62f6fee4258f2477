//! Writes the steps of a batch: each queue in its sequence, and the steps of different queues together in
//! one statement where possible.

use std::collections::{HashMap, VecDeque};

use bigdecimal::{BigDecimal, ToPrimitive};
use diesel::Connection;
use uuid::Uuid;

use super::executions::{Classification, KnownExecutions};
use super::kept;
use super::options::Options;
use super::order_chain::{chain_filled, chain_filled_until, fills_of_execution, orders_of};
use super::plan::TotalsOf;
use super::retry::{resolve_if_open, resolve_if_open_as};
use super::step::{PlannedStep, Report, Step, execution, execution_as_far_as_known};
use super::tally::{Fate, Outcome};
use super::terms::Terms;
use super::totals::{LatestTotals, VenueCount, VenueTotals};
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
    /// The reports of the batch that state totals.
    pub batch_totals: &'w [(&'w Report<'w>, TotalsOf)],
    pub options: &'w Options,
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
    /// Returns the reports that repeat another report of the batch, if that one has become a break. The caller compares
    /// each of them with the break.
    pub fn write<'e>(
        &mut self,
        unlogged_breaks: &[PlannedStep<'_>],
        steps: Vec<PlannedStep<'e>>,
    ) -> Result<Vec<&'e Report<'e>>, Error> {
        for planned in unlogged_breaks {
            self.write_alone(planned)?;
        }
        let mut repeated = Vec::new();
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

    /// Records a fill under the id of a replaced order.
    fn record_crossing(
        &mut self,
        planned: &PlannedStep<'_>,
        execution: &Execution<'_>,
        root: Uuid,
        last: Uuid,
    ) -> Result<(), Error> {
        let (root, last) = (self.stored_id(root), self.stored_id(last));
        let counted = self.counted_before(root, planned)?;
        let filled = chain_filled(self.tx, root)?;
        // Counted, it is kept as a break until the totals of the input are complete, and then booked late.
        let is_counted = counted.is_some_and(|counted| filled + &execution.quantity <= counted);
        let order_id = if is_counted { self.order_of(planned) } else { Some(last) };
        self.apply_execution(planned, &Execution { order_id, ..execution.clone() })
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

    /// The shares that the venue counted as filled of an order chain before this report.
    fn counted_before(
        &mut self,
        root: Uuid,
        planned: &PlannedStep<'_>,
    ) -> Result<Option<BigDecimal>, Error> {
        let (place, id) = (planned.report.place, planned.report.event.execution_id.as_deref());
        let mut latest = self.totals.of_chain(root, id).cloned();
        for (report, of) in self.batch_totals {
            let is_broken = self.outcome.fate(report.place) == Some(Fate::Broken);
            if report.place >= place || is_broken || self.stored_id(of.root) != root {
                continue;
            }
            if let Some(totals) = VenueTotals::of_report(report, *of, self.options)
                && totals.is_of_other(id)
                && latest.as_ref().is_none_or(|latest| totals.is_later(latest))
            {
                latest = Some(totals);
            }
        }
        self.later_count(root, latest, id)
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

    /// Books the break that a report was kept as, if its order is open or the venue counts it.
    fn book(&mut self, planned: &PlannedStep<'_>, execution: &Execution<'_>) -> Result<(), Error> {
        let (place, Some(kept)) = (planned.report.place, planned.report.retried) else {
            return Ok(());
        };
        self.outcome.set(place, Fate::Known);
        if !is_whole(kept, execution) {
            return self.record_instead(planned, execution);
        }
        let Some(order_id) = kept.order_id.or(execution.order_id) else {
            self.outcome.set(place, Fate::Broken);
            return Ok(());
        };
        let order = self.tx.orders().get(order_id)?;
        let is_fill = kept.refers_to.is_none();
        let reason = if order.status.is_open() || !is_fill {
            kept::healed(kept.reason).to_owned()
        } else {
            match self.counted(order.root_id, kept)? {
                Some(counted) => format!("applied, the venue counts it: {counted} filled in all"),
                None => {
                    self.outcome.set(place, Fate::Broken);
                    return Ok(());
                }
            }
        };
        let book = NewBreakResolution {
            break_id: kept.id,
            resolution: breaks::Resolution::Book { order: Some(order_id) },
            reason: &reason,
        };
        match resolve_if_open(self.tx, &book) {
            Ok(true) => {
                self.outcome.tally.fills += 1;
                self.outcome.tally.late_fills += u64::from(is_fill && !order.status.is_open());
                self.outcome.healed.push(kept.id);
            }
            Ok(false) => {}
            Err(error) if error.is_refusal() => self.outcome.set(place, Fate::Broken),
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Records the execution of a break that lacks a part of it: as booking the break would not. The break remains if a
    /// rule refuses the execution.
    fn record_instead(
        &mut self,
        planned: &PlannedStep<'_>,
        execution: &Execution<'_>,
    ) -> Result<(), Error> {
        let role = self.tx.role();
        let recorded = self.tx.conn().transaction(|conn| {
            let mut breaks = breaks::Breaks { conn, role };
            match breaks.record_or_break_as(&ExecutionIds::default(), execution)? {
                breaks::Outcome::Broken(_) => Err(Unrecorded::Refused),
                breaks::Outcome::Recorded(_) => Ok(Fate::Applied),
                breaks::Outcome::Known(_) => Ok(Fate::Known),
            }
        });
        let fate = match recorded {
            Ok(fate) => fate,
            Err(Unrecorded::Refused) => Fate::Broken,
            Err(Unrecorded::Failed(error)) if error.is_refusal() => Fate::Broken,
            Err(Unrecorded::Failed(error)) => return Err(error),
        };
        self.outcome.tally.fills += u64::from(fate == Fate::Applied);
        self.outcome.set(planned.report.place, fate);
        Ok(())
    }

    /// The shares that the venue counts as filled of an order chain with the execution of this break, by another report
    /// than its own: by the last one of this input, by one that ended or replaced an order, or by one whose totals were
    /// kept as a break.
    fn counted(&mut self, root: Uuid, kept: &breaks::Break) -> Result<Option<BigDecimal>, Error> {
        let mut counts = self.totals.counts_of_chain(root, kept.execution_id.as_deref());
        let open = self.open_totals(root, kept.execution_id.as_deref())?;
        counts.extend(open.into_iter().map(|totals| VenueCount {
            at: Some(totals.timestamp),
            filled_quantity: totals.quantity,
        }));
        for VenueCount { at, filled_quantity } in counts {
            if chain_filled_until(self.tx, root, at)? + &kept.quantity <= filled_quantity {
                return Ok(Some(filled_quantity));
            }
        }
        Ok(None)
    }

    /// The open breaks of the totals of an order chain, but for those in the report of an execution with this id.
    fn open_totals(
        &mut self,
        root: Uuid,
        execution_id: Option<&str>,
    ) -> Result<Vec<breaks::Break>, Error> {
        let orders = orders_of(self.tx, root)?;
        let mut open = self.tx.breaks().open_totals(&orders)?;
        open.retain(|totals| {
            execution_id.is_none() || totals.execution_id.as_deref() != execution_id
        });
        Ok(open)
    }

    /// The shares in the later of two reports: the last one of this input, and the last one of an earlier input
    /// whose totals are an open break, but for one with this execution id.
    fn later_count(
        &mut self,
        root: Uuid,
        latest: Option<VenueTotals>,
        execution_id: Option<&str>,
    ) -> Result<Option<BigDecimal>, Error> {
        let open = self.open_totals(root, execution_id)?;
        let earlier = open.iter().max_by_key(|totals| totals.timestamp);
        Ok(match (latest, earlier) {
            (Some(latest), Some(earlier)) if latest.time() < Some(earlier.timestamp) => {
                Some(earlier.quantity.clone())
            }
            (Some(latest), _) => Some(latest.filled_quantity),
            (None, earlier) => earlier.map(|earlier| earlier.quantity.clone()),
        })
    }
}

/// Why the execution of a break is not recorded.
enum Unrecorded {
    Refused,
    Failed(Error),
}

impl From<Error> for Unrecorded {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl From<diesel::result::Error> for Unrecorded {
    fn from(error: diesel::result::Error) -> Self {
        Self::Failed(error.into())
    }
}

/// Whether the columns of a break hold all of its execution. They lack the values that could not be read when the
/// report was kept, because its encoding was not known.
fn is_whole(kept: &breaks::Break, execution: &Execution<'_>) -> bool {
    let (refers_to, is_bust) = (execution.kind.refers_to(), execution.kind.is_bust());
    kept.execution_id.as_deref() == execution.execution_id
        && kept.refers_to.as_deref() == refers_to
        && kept.is_bust == is_bust
        && kept.quantity == execution.quantity
        && kept.price == execution.price
        && kept.commission == execution.commission
        && kept.rebate == execution.rebate
}

/// Sorts steps into one queue for each order chain, in the sequence of their first steps. Queues are independent of
/// each other.
fn into_queues(steps: Vec<PlannedStep<'_>>) -> Vec<VecDeque<PlannedStep<'_>>> {
    let mut queues: Vec<VecDeque<PlannedStep<'_>>> = Vec::new();
    let mut places: HashMap<Uuid, usize> = HashMap::new();
    for planned in steps {
        let place = *places.entry(planned.root).or_insert(queues.len());
        match queues.get_mut(place) {
            Some(queue) => queue.push_back(planned),
            None => queues.push(VecDeque::from([planned])),
        }
    }
    queues
}

/// How many matching steps to take from the head of each queue.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Take {
    First,
    All,
    /// All, but of the fills of an export only those that stand in the sequence in which a batch records them.
    Fills,
}

/// Removes from the head of each queue the steps that match, and returns them.
fn pop_matching<'e>(
    queues: &mut [VecDeque<PlannedStep<'e>>],
    take: Take,
    matches: impl Fn(&Step<'e>) -> bool,
) -> Vec<PlannedStep<'e>> {
    let mut popped: Vec<PlannedStep<'e>> = Vec::new();
    for queue in queues {
        let mut is_first = true;
        while let Some(next) = queue.front().filter(|planned| matches(&planned.step)) {
            let goes_on = match take {
                Take::First => false,
                Take::All => true,
                Take::Fills => popped.last().is_none_or(|last| !is_recorded_before(next, last)),
            };
            if !is_first && !goes_on {
                break;
            }
            is_first = false;
            popped.extend(queue.pop_front());
        }
    }
    popped
}

/// Returns whether a batch records the fill of this step before the other, which an export has before it.
fn is_recorded_before(planned: &PlannedStep<'_>, other: &PlannedStep<'_>) -> bool {
    let (Step::Fill(_, new), Step::Fill(_, before)) = (&planned.step, &other.step) else {
        return false;
    };
    let (at, at_before) = (new.timestamp, before.timestamp);
    let id = (new.source(), new.execution_id);
    planned.report.event.is_exported()
        && planned.order_id == other.order_id
        && (at, id) < (at_before, (before.source(), before.execution_id))
}
