//! Plans what to write for a batch of reports: steps in the sequence of the reports.

mod deferral;
mod export;
mod refusal;
mod replacements;
mod waiting;

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use bigdecimal::BigDecimal;
use chrono::NaiveDate;
use uuid::Uuid;

use self::refusal::Refusal;
use self::waiting::PlannedWaiting;
pub(super) use self::waiting::{Due, Waiting};
use super::attribution::{check_not_reused, find, unnamed_order_id};
use super::known_orders::{KnownOrder, KnownOrders};
use super::options::Options;
use super::step::{
    PlannedStep, Report, Step, action, derived_id, execution, execution_step, report_id,
};
use super::tally::{Fate, Outcome};
use super::terms::{Replaced, Terms};
use crate::execution_logs::{NewAction, NewExecutionLog};
use crate::ingest::event::Kind;
use crate::types::enums::BreakReason;

/// What to write for a batch.
#[derive(Default)]
pub(super) struct Plan<'e> {
    /// The steps, in the sequence of the reports.
    pub steps: Vec<PlannedStep<'e>>,
    /// The breaks of an export that name no known order. They are written before the steps: one of these may
    /// resolve such a break, or submit the order that it names.
    pub unlogged_breaks: Vec<PlannedStep<'e>>,
    /// The reports that state the totals of an order, in their sequence.
    pub totals: Vec<(&'e Report<'e>, TotalsOf)>,
    /// Reports that depend on what the steps before them come to: they are planned when those are written.
    pub deferred: Vec<&'e Report<'e>>,
    /// Reports without effect that state totals of an order which is not known yet.
    pub early: Vec<&'e Report<'e>>,
    /// The actions that repeat an earlier one of the plan, each with the place of that one: what becomes of it is not
    /// known yet.
    pub repeated: Vec<(&'e Report<'e>, usize)>,
    /// What the plan brings that breaks wait for. They are tried again before the deferred reports.
    pub due: Vec<Due>,
    /// What reports of this plan may wait for.
    waiting: PlannedWaiting<'e>,
    /// The places of the reports whose actions the plan logs, by their report ids.
    logged: HashMap<Uuid, usize>,
    /// The order chains, and the ids, that deferred reports are about.
    deferred_chains: HashSet<Uuid>,
    deferred_ids: HashSet<(Uuid, &'e str)>,
    /// The orders and the breaks that deferred events of an export make, by the store's own ids.
    deferred_rows: HashSet<Uuid>,
    /// The order chains that have steps, with the first trading day of these.
    days: HashMap<Uuid, Option<NaiveDate>>,
}

/// The order that the totals in a report are about.
#[derive(Clone, Copy, Debug)]
pub(super) struct TotalsOf {
    pub root: Uuid,
    pub order_id: Uuid,
}

/// What a plan is made with, besides the reports.
pub(super) struct Planner<'p, 'e> {
    /// The orders that reports may refer to. Those that the batch creates are added.
    pub orders: &'p mut KnownOrders,
    /// The entries of the log that are stored already: order chain and report id.
    pub known_reports: &'p mut HashSet<Uuid>,
    /// The breaks that events of an export are about. Those that the batch stores are added.
    pub known_breaks: &'p mut HashMap<Uuid, KnownBreak>,
    /// What open breaks wait for.
    pub waiting: &'p Waiting,
    /// Why the database refuses the order that the report at this place presents.
    pub refused: &'p HashMap<usize, String>,
    /// Order chains whose rows another session has locked for too long.
    pub locked: &'p HashSet<Uuid>,
    pub options: &'e Options,
}

/// A break that events of an export are about.
#[derive(Clone, Copy, Debug)]
pub(super) struct KnownBreak {
    /// The order that it names, stored or not.
    pub order_id: Option<Uuid>,
    pub is_resolved: bool,
}

impl Planner<'_, '_> {
    /// Refuses a report of an order whose row another session has locked for too long.
    fn refuse_locked(&self, order: &KnownOrder, kind: Kind) -> Result<(), Refusal> {
        if self.locked.contains(&order.root) {
            return Err(Refusal::locked(kind, order));
        }
        Ok(())
    }
}

impl<'e> Plan<'e> {
    /// Plans reports of a batch.
    pub fn new(
        reports: impl IntoIterator<Item = &'e Report<'e>>,
        planner: &mut Planner<'_, 'e>,
        outcome: &mut Outcome,
    ) -> Self {
        let mut plan = Self::default();
        for report in reports {
            if plan.must_wait(report, planner) {
                plan.defer(report, planner);
                continue;
            }
            match plan.add(report, planner) {
                Ok(None) => {}
                Ok(Some(fate)) => outcome.set(report.place, fate),
                Err(Refusal { reason, order_id, why }) => {
                    if matches!(
                        (reason, order_id),
                        (BreakReason::UnappliedAction | BreakReason::UnknownOrder, None)
                    ) {
                        plan.await_order(report);
                    }
                    let chain = order_id.and_then(|id| planner.orders.get(id));
                    let root = chain.map_or_else(Uuid::nil, |order| order.root);
                    plan.push(root, report, order_id, Step::Break(reason, why));
                }
            }
        }
        plan
    }

    /// Adds what a report adds. Returns what became of it if nothing is left to write.
    fn add(
        &mut self,
        report: &'e Report<'e>,
        planner: &mut Planner<'_, 'e>,
    ) -> Result<Option<Fate>, Refusal> {
        let (event, kind, options) = (report.event, report.event.kind, planner.options);
        let has_effect = !matches!(kind, Kind::CancelRejected | Kind::Status);
        let may_change_order = has_effect && kind != Kind::PendingNew;
        if let Some(defect) = &event.defect {
            return match may_change_order {
                true => Err(Refusal::new(kind, defect.as_str())),
                false => Ok(Some(Fate::WithoutEffect)),
            };
        }
        match kind {
            Kind::Break => return self.add_break(report, planner),
            Kind::Booked | Kind::Dismissed => return self.add_resolution(report, planner),
            _ => {}
        }
        let trader = match report.trader {
            Ok(trader) => *trader,
            Err(_) if !may_change_order => return Ok(Some(Fate::WithoutEffect)),
            Err(why) => return Err(Refusal::unknown_order(kind, why.clone())),
        };
        if let Some(why) = planner.refused.get(&report.place) {
            return Err(Refusal::unknown_order(kind, format!("the order can't be stored: {why}")));
        }
        if let Some((order, id)) = Self::logged(report, trader, planner) {
            self.add_totals(report, &order);
            return Ok(self.known(report, id));
        }
        if kind == Kind::Replaced {
            return self.add_replacement(report, trader, planner);
        }
        let named = find(planner.orders, event, trader, options)
            .map_err(|why| Refusal::unknown_order(kind, why))?
            .cloned();
        let Some(named) = named else {
            return self.add_first_report(report, trader, planner);
        };
        planner.refuse_locked(&named, kind)?;
        // A report that is known is not compared again: the order with its id may have been replaced since.
        let id = report_id(event, named.root, options);
        if !kind.is_execution() && planner.known_reports.contains(&id) {
            // A concurrent session may have applied it when the order was loaded already.
            if let (Kind::Acknowledged, Some(told)) = (kind, event.venue_order_id.as_deref()) {
                planner.orders.set_venue_id(named.id, told);
            }
            self.add_totals(report, planner.orders.bearer_of_id(&named));
            return Ok(self.known(report, id));
        }
        let checked = named.terms.check(event, options).and_then(|()| match kind.presents_new() {
            true => check_not_reused(&named, event, options),
            false => Ok(()),
        });
        match checked {
            Ok(()) => {}
            // It changes nothing, and its totals are not those of the order.
            Err(_) if !has_effect => return Ok(Some(Fate::WithoutEffect)),
            Err(why) => return Err(Refusal::mismatch(kind, &named, why)),
        }
        // An export means the very order; a venue means the order that has the id now.
        let order = match event.order_id {
            Some(_) => named,
            None => planner.orders.bearer_of_id(&named).clone(),
        };
        if kind == Kind::Fill && event.order_id.is_none() && order.replaced_by.is_some() {
            return self.add_crossing_fill(report, &order, planner);
        }
        self.add_totals(report, &order);
        match kind {
            Kind::NewOrder => Ok(Some(Fate::Known)),
            Kind::Status | Kind::CancelRejected | Kind::PendingNew => Ok(Some(Fate::WithoutEffect)),
            Kind::Restated => self.add_restatement(report, &order, planner),
            _ => self.add_step(report, &order, planner),
        }
    }

    /// Returns the last order of the chain whose log has the action of a report, and its id there, if the report's client
    /// order ids name several chains. It is known, whichever order these ids would mean by now: the id of the request of
    /// a cancel, for instance, may be that of an order that came since.
    fn logged(
        report: &Report<'_>,
        trader: Uuid,
        planner: &Planner<'_, '_>,
    ) -> Option<(KnownOrder, Uuid)> {
        let (event, orders) = (report.event, &*planner.orders);
        if event.kind.is_execution() {
            return None;
        }
        let roots = orders.roots_with_client_ids(trader, event);
        let found = roots.iter().filter(|_| roots.len() > 1).find_map(|root| {
            let id = report_id(event, *root, planner.options);
            planner.known_reports.contains(&id).then(|| Some((orders.get(*root)?, id)))
        })??;
        Some((orders.last_of_chain(found.0).clone(), found.1))
    }

    /// Returns what becomes of a report whose action is in the log or in the plan: it is known; or, in the plan, what
    /// the report is that it repeats.
    fn known(&mut self, report: &'e Report<'e>, id: Uuid) -> Option<Fate> {
        match self.logged.get(&id) {
            Some(first) => self.repeated.push((report, *first)),
            None => return Some(Fate::Known),
        }
        None
    }

    /// Adds the step that a report adds to an order.
    fn add_step(
        &mut self,
        report: &'e Report<'e>,
        order: &KnownOrder,
        planner: &mut Planner<'_, 'e>,
    ) -> Result<Option<Fate>, Refusal> {
        let (event, options) = (report.event, planner.options);
        let id = report_id(event, order.root, options);
        if matches!(event.kind, Kind::Fill | Kind::Cancelled | Kind::Expired) {
            self.tell_venue_id(report, order, planner);
        }
        let Some(mut entry) = action(event, order.id, id) else {
            let step = execution_step(report, order.id, options).map_err(|why| Refusal {
                order_id: Some(order.id),
                ..Refusal::new(event.kind, why)
            })?;
            self.push(order.root, report, Some(order.id), step);
            self.bring_change(report, order.root, planner);
            return Ok(None);
        };
        if !planner.known_reports.insert(id) {
            return Ok(self.known(report, id));
        }
        self.logged.insert(id, report.place);
        if let NewAction::Executed { venue_order_id: Some(told) } = entry.action {
            let differs = order.venue_order_id.as_deref().is_some_and(|own| own != told);
            if differs {
                // An order keeps its first id at the venue.
                entry.action = NewAction::Executed { venue_order_id: None };
            } else {
                planner.orders.set_venue_id(order.id, told);
            }
        }
        self.push(order.root, report, Some(order.id), Step::Log(entry));
        self.bring_change(report, order.root, planner);
        Ok(None)
    }

    /// Adds a fill under the id of an order that has been replaced: it crossed the replacement, or is reported late.
    fn add_crossing_fill(
        &mut self,
        report: &'e Report<'e>,
        order: &KnownOrder,
        planner: &Planner<'_, 'e>,
    ) -> Result<Option<Fate>, Refusal> {
        let last = planner.orders.last_of_chain(order);
        let execution = execution(report, Some(order.id), planner.options).map_err(|why| {
            Refusal { order_id: Some(order.id), ..Refusal::new(report.event.kind, why) }
        })?;
        self.add_totals(report, last);
        let step = Step::Crossing { execution, root: order.root, last: last.id };
        self.push(order.root, report, Some(order.id), step);
        self.bring_change(report, order.root, planner);
        Ok(None)
    }

    /// Logs the venue's id of an order if a report other than an acknowledgement is the first one that tells it: a
    /// later report may have nothing else.
    fn tell_venue_id(
        &mut self,
        report: &'e Report<'e>,
        order: &KnownOrder,
        planner: &mut Planner<'_, 'e>,
    ) {
        let Some(told) = report.event.venue_order_id.as_deref() else { return };
        // An export has the entry that told it.
        if report.event.is_exported() || !order.is_open {
            return;
        }
        if !planner.orders.set_venue_id(order.id, told) {
            return;
        }
        let entry = NewExecutionLog {
            reason: Some("first seen in a report of the venue"),
            reported_at: report.event.time(),
            report_id: Some(derived_id(order.id, "first seen")),
            ..NewExecutionLog::new(order.id, NewAction::Executed { venue_order_id: Some(told) })
        };
        self.push(order.root, report, Some(order.id), Step::LogVenueId(entry));
    }

    /// Creates the order from the first report of it, if the report has its terms, and adds its step.
    fn add_first_report(
        &mut self,
        report: &'e Report<'e>,
        trader: Uuid,
        planner: &mut Planner<'_, 'e>,
    ) -> Result<Option<Fate>, Refusal> {
        let (event, kind) = (report.event, report.event.kind);
        let client_order_id = event.client_order_id.as_deref();
        let original = event.original_client_order_id.as_deref();
        let client_order_id = match kind {
            Kind::Status | Kind::CancelRejected | Kind::PendingNew => {
                self.early.extend(event.cumulative_quantity.map(|_| report));
                return Ok(Some(Fate::WithoutEffect));
            }
            Kind::NewOrder => client_order_id,
            Kind::Bust | Kind::Correct | Kind::Restated => {
                let why = "the order is unknown".to_owned();
                return Err(Refusal::unknown_order(kind, why));
            }
            // In the report of a cancel, tag 11 is the id of the request, and 41 that of the order.
            Kind::Cancelled | Kind::Expired => original.or(client_order_id),
            // Of the two ids, either may be that of the order, and the other that of a pending request.
            _ if original.is_some_and(|original| Some(original) != client_order_id) => {
                let why = format!(
                    "the order is unknown, and either its {} or its {} may name it",
                    planner.options.name_of("client_order_id"),
                    planner.options.name_of("original_client_order_id")
                );
                return Err(Refusal::unknown_order(kind, why));
            }
            _ => client_order_id,
        };
        let order =
            self.create_order(report, trader, client_order_id, None, planner).map_err(|why| {
                match kind {
                    Kind::NewOrder => Refusal::new(kind, why),
                    _ => {
                        let why = format!(
                            "the order is unknown and can't be created from this report: {why}"
                        );
                        Refusal::unknown_order(kind, why)
                    }
                }
            })?;
        self.add_totals(report, &order);
        if kind == Kind::NewOrder {
            return Ok(None);
        }
        if !matches!(kind, Kind::Acknowledged | Kind::Fill | Kind::Cancelled | Kind::Expired) {
            self.tell_venue_id(report, &order, planner);
        }
        self.add_step(report, &order, planner)
    }

    /// Plans to submit the order that a report describes. Returns the order; one that is known is not submitted again.
    fn create_order(
        &mut self,
        report: &'e Report<'e>,
        trader: Uuid,
        client_order_id: Option<&str>,
        replaced: Option<(&KnownOrder, &BigDecimal)>,
        planner: &mut Planner<'_, 'e>,
    ) -> Result<KnownOrder, String> {
        let (event, options) = (report.event, planner.options);
        let is_new = event.kind == Kind::NewOrder;
        let zero = BigDecimal::default();
        let before = match replaced {
            Some((order, _)) => Some(order.clone()),
            None => Self::find_replaced(report, trader, planner),
        };
        let filled = replaced.map_or(&zero, |(_, filled)| filled);
        let with_terms = before.as_ref().map(|order| Replaced {
            id: order.id,
            terms: order.terms.as_ref(),
            filled,
        });
        let terms = Terms::of_report(event, trader, client_order_id, with_terms, options)?;
        let id = match (event.id.filter(|_| is_new), client_order_id, &before) {
            (Some(id), ..) => id,
            (None, Some(_), _) => Uuid::now_v7(),
            (None, None, Some(order)) => {
                derived_id(report_id(event, order.root, options), "replacement")
            }
            (None, None, None) => unnamed_order_id(trader, event, options).ok_or_else(|| {
                let (client, venue) =
                    (options.name_of("client_order_id"), options.name_of("venue_order_id"));
                format!("both {client} and {venue} are missing")
            })?,
        };
        // The report is read again, and more than the order was not stored of it the first time; or several orders
        // have the venue's id, and it was not told which one is meant. To create the order again would make it
        // replace itself.
        let known = planner.orders.get(id);
        // To replace an order locks it.
        let is_locked = |order: &&KnownOrder| planner.locked.contains(&order.root);
        if let Some(order) = known.or(before.as_ref()).filter(is_locked) {
            return Err(format!("order {} is locked by another session", order.id));
        }
        if let Some(order) = known {
            return order.terms.check(event, options).map(|()| order.clone());
        }
        let order = KnownOrder {
            id,
            root: before.as_ref().map_or(id, |order| order.root),
            replaced_by: None,
            is_new: true,
            is_open: true,
            venue_order_id: None,
            terms: Rc::new(terms),
            filled: 0,
            last_event_at: None,
        };
        planner.orders.insert(order.clone());
        if let Some(before) = &before {
            planner.orders.mark_replaced(before.id, id);
        }
        self.push(order.root, report, Some(id), Step::Submit(Rc::clone(&order.terms)));
        self.bring_order(report, &order, planner);
        Ok(order)
    }

    fn add_totals(&mut self, report: &'e Report<'e>, order: &KnownOrder) {
        if report.message().cumulative_quantity.is_some() {
            let of = TotalsOf { root: order.root, order_id: order.id };
            self.totals.push((report, of));
        }
    }

    fn push(&mut self, root: Uuid, report: &'e Report<'e>, order_id: Option<Uuid>, step: Step<'e>) {
        let day = report.event.time().map(|time| time.date_naive());
        let first = self.days.entry(root).or_insert(day);
        *first = first.iter().chain(&day).min().copied();
        self.steps.push(PlannedStep { root, report, order_id, step });
    }
}
