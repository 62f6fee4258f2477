//! The executions that are stored, as fills or as breaks, and how a reported one relates to them.
//!
//! Its key is the order chain, the source, the execution id and the kind. The same key again is the same execution
//! only if its content agrees: quantity, price and trading day. Sessions differ in the precision of their
//! clocks, in commissions and in what CumQty counts, so these don't decide.

use std::collections::{HashMap, HashSet};

use bigdecimal::BigDecimal;
use chrono::{DateTime, Utc};
use diesel::prelude::*;
use uuid::Uuid;

use super::known_orders::KnownOrders;
use super::options::Options;
use super::step::{PlannedStep, Report, Step, execution_as_far_as_known, is_id};
use crate::breaks::{Break, BreakHistory, Execution};
use crate::database::role::Engine;
use crate::database::transaction::Tx;
use crate::error::Error;
use crate::fills::Fill;
use crate::schema::fills;
use crate::types::currency::unit_factors;
use crate::types::enums::BreakReason;

/// How a reported execution relates to those that are known.
#[derive(Debug)]
pub(super) enum Classification {
    /// None with this key is known.
    New,
    /// The same execution is recorded.
    Known,
    /// The report at this place of the batch states the same execution, and is yet to be written.
    Repeated(usize),
    /// The same execution is kept as a break that nobody has resolved.
    Broken(Box<Break>),
    /// Another execution has this key; in words.
    Mismatch(String),
}

/// Where the executions with one id belong: an order chain, or an order that is not known.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Place {
    Chain(Uuid),
    /// The trader and the client order id that the report names.
    Unknown(Option<Uuid>, Option<String>),
}

/// What identifies an execution, and what became of it.
#[derive(Clone, Debug)]
struct KnownExecution {
    source: String,
    kind: &'static str,
    quantity: BigDecimal,
    price: BigDecimal,
    timestamp: DateTime<Utc>,
    /// Whether it is a break, open or resolved.
    is_break: bool,
    /// The open break that it is; none if it is recorded, or its break is resolved.
    open_break: Option<Box<Break>>,
    /// The place in the batch of the report that states it, if it is yet to be written.
    place: Option<usize>,
}

/// The known executions of the orders of a batch.
pub(super) struct KnownExecutions<'o> {
    options: &'o Options,
    by_id: HashMap<(Place, String), Vec<KnownExecution>>,
    /// The fills, and the breaks with whether they are open, that are known by the store's own id.
    by_store_id: HashMap<Uuid, Option<Box<Break>>>,
}

const FILL: &str = "fill";
const BUST: &str = "bust";
const CORRECTION: &str = "correction";

fn name_of_kind(is_amendment: bool, is_bust: bool) -> &'static str {
    match (is_amendment, is_bust) {
        (false, _) => FILL,
        (true, true) => BUST,
        (true, false) => CORRECTION,
    }
}

impl KnownExecution {
    fn of_fill(fill: &Fill) -> Self {
        Self {
            source: fill.source.clone(),
            kind: name_of_kind(fill.amends.is_some(), fill.is_bust),
            quantity: fill.quantity_filled.into(),
            price: fill.price_at_fill.into(),
            timestamp: fill.timestamp,
            is_break: false,
            open_break: None,
            place: None,
        }
    }

    fn of_break(BreakHistory { reported, resolution }: &BreakHistory) -> Self {
        Self {
            source: reported.source.clone(),
            kind: name_of_kind(reported.refers_to.is_some(), reported.is_bust),
            quantity: reported.quantity.clone(),
            price: reported.price.clone(),
            timestamp: reported.timestamp,
            is_break: true,
            open_break: resolution.is_none().then(|| Box::new(reported.clone())),
            place: None,
        }
    }

    fn of_report(execution: &Execution<'_>) -> Self {
        Self {
            source: execution.source().to_owned(),
            kind: name_of_kind(execution.kind.refers_to().is_some(), execution.kind.is_bust()),
            quantity: execution.quantity.clone(),
            price: execution.price.clone(),
            timestamp: execution.timestamp,
            is_break: false,
            open_break: None,
            place: None,
        }
    }

    /// Whether both have the same key within their order chain and execution id.
    fn has_same_key(&self, other: &Self) -> bool {
        self.source == other.source && self.kind == other.kind
    }

    /// Returns in what the content of a report with the same key differs; none if it is the same execution.
    fn difference(
        &self,
        reported: &Self,
        report: &Report<'_>,
        options: &Options,
    ) -> Option<String> {
        let currency = report.event.currency.as_deref();
        let has_same_price =
            || unit_factors(currency).iter().any(|factor| &reported.price * factor == self.price);
        // A bust takes back its whole fill, whatever quantity and price its report has.
        let is_same = self.kind == BUST || self.quantity == reported.quantity && has_same_price();
        let days = [self.timestamp, reported.timestamp].map(|time| options.day_at(time));
        let has_day = report.event.at.is_some();
        let [stored, new] = [self, reported].map(|it| {
            let (quantity, price) = (it.quantity.to_plain_string(), it.price.to_plain_string());
            format!("a {} of {quantity} at {price}", it.kind)
        });
        match (is_same, has_day && days[0] != days[1]) {
            (true, false) => None,
            (true, true) => Some(format!(
                "is stored as of {}, and reported as of {}; if ids start again each day, ingest with \
                 --daily-ids",
                days[0], days[1]
            )),
            (false, _) => Some(format!("is stored as {stored}, and reported as {new}")),
        }
    }
}

impl<'o> KnownExecutions<'o> {
    /// Loads the stored executions that the steps may repeat.
    pub fn load(
        tx: &mut Tx<'_, Engine>,
        steps: &[PlannedStep<'_>],
        orders: &KnownOrders,
        options: &'o Options,
    ) -> Result<Self, Error> {
        let mut known = Self::none(options);
        let executions = || {
            let reports = steps.iter().map(|planned| planned.report);
            reports.filter(|report| report.event.kind.is_execution())
        };
        // The database refuses a NUL in a query; no execution has such an id.
        let execution_ids: HashSet<&str> = executions()
            .filter_map(|report| report.event.execution_id.as_deref())
            .filter(|id| is_id(id))
            .collect();
        let store_ids: Vec<Uuid> =
            executions().filter_map(|report| report.event.id.or(report.content_id)).collect();
        if execution_ids.is_empty() && store_ids.is_empty() {
            return Ok(known);
        }
        let stored_orders = orders.stored_ids();
        let conn = tx.conn();
        let mut of_fills: Vec<Fill> = Vec::new();
        if !stored_orders.is_empty() && !execution_ids.is_empty() {
            of_fills = Fill::query()
                .filter(fills::order_id.eq_any(&stored_orders))
                .filter(fills::execution_id.eq_any(&execution_ids))
                .load(conn)?;
        }
        if !store_ids.is_empty() {
            let own = Fill::query().filter(fills::id.eq_any(&store_ids));
            of_fills.extend(own.load::<Fill>(conn)?);
        }
        of_fills.iter().for_each(|fill| known.add_fill(fill));
        let traders: Vec<Uuid> =
            executions().filter_map(|report| report.trader.as_ref().ok().copied()).collect();
        let execution_ids: Vec<&str> = execution_ids.into_iter().collect();
        let mut kept = tx.breaks().of_executions(&stored_orders, &traders, &execution_ids)?;
        kept.extend(tx.breaks().with_ids(&store_ids)?);
        kept.iter().for_each(|history| known.add_break(history, orders));
        Ok(known)
    }

    /// Returns no executions.
    pub fn none(options: &'o Options) -> Self {
        Self { options, by_id: HashMap::new(), by_store_id: HashMap::new() }
    }

    /// Adds a stored fill.
    pub fn add_fill(&mut self, fill: &Fill) {
        let place = Place::Chain(fill.root_id);
        self.insert(place, fill.execution_id.as_deref(), KnownExecution::of_fill(fill));
        self.by_store_id.insert(fill.id, None);
    }

    /// Adds a stored break, if it holds an execution.
    pub fn add_break(&mut self, history: &BreakHistory, orders: &KnownOrders) {
        let reported = &history.reported;
        if !reported.reason.is_execution() {
            return;
        }
        let place = match reported.order_id.map(|id| orders.get(id)) {
            Some(Some(order)) => Place::Chain(order.root),
            // Of an order that no report of the batch is about.
            Some(None) => return,
            None => Place::Unknown(reported.trader_id, reported.client_order_id.clone()),
        };
        let execution = KnownExecution::of_break(history);
        self.by_store_id.insert(reported.id, execution.open_break.clone());
        // What could not be read of a damaged report is 0 in its break, and none of it is believed: it does not
        // keep out the whole one.
        let is_damaged = reported.reason == BreakReason::Invalid && reported.order_id.is_none();
        if !is_damaged {
            self.insert(place, reported.execution_id.as_deref(), execution);
        }
    }

    /// Returns whether a stored fill is the execution of a report of its order chain.
    pub fn is_fill(fill: &Fill, report: &Report<'_>, options: &Options) -> bool {
        let stored = KnownExecution::of_fill(fill);
        let execution = execution_as_far_as_known(report, None, options);
        let reported = KnownExecution::of_report(&execution);
        stored.has_same_key(&reported) && stored.difference(&reported, report, options).is_none()
    }

    fn insert(&mut self, place: Place, execution_id: Option<&str>, execution: KnownExecution) {
        if let Some(id) = execution_id {
            self.by_id.entry((place, id.to_owned())).or_default().push(execution);
        }
    }

    /// Compares a reported execution with the known ones, and adds it if it is new.
    pub fn classify(&mut self, planned: &PlannedStep<'_>) -> Classification {
        let report = planned.report;
        // Later reports may be of the order, whether or not the execution that presents it is stored.
        if matches!(planned.step, Step::Submit(_) | Step::LogVenueId(_)) {
            return Classification::New;
        }
        if report.event.kind.is_execution()
            && let Some(id) = report.event.id.or(report.content_id)
            && let Some(open) = self.by_store_id.get(&id)
            && report.retried.is_none_or(|retried| retried.id != id)
        {
            return match open {
                Some(open) => Classification::Broken(open.clone()),
                None => Classification::Known,
            };
        }
        // A report that contradicts its order is another execution than a recorded one, but the same break as before.
        let (is_of_unknown_order, is_contradiction) = match planned.step {
            Step::Fill(..) | Step::Execution(_) | Step::Crossing { .. } => (false, false),
            Step::Break(BreakReason::UnknownOrder, _) if report.trader.is_ok() => (true, false),
            Step::Break(BreakReason::Mismatch, _) if report.event.kind.is_execution() => {
                (false, true)
            }
            _ => return Classification::New,
        };
        // An export names the row itself, and lists its breaks by themselves.
        if report.event.id.is_some() {
            return Classification::New;
        }
        let Some(id) = report.event.execution_id.as_deref() else { return Classification::New };
        let execution = execution_as_far_as_known(report, planned.order_id, self.options);
        let reported = KnownExecution::of_report(&execution);
        let unknown =
            Place::Unknown(execution.trader_id, execution.client_order_id.map(str::to_owned));
        let own = match planned.order_id {
            Some(_) => Place::Chain(planned.root),
            None => unknown.clone(),
        };
        let retried = report.retried.map(|retried| retried.id);
        let is_own = |known: &&KnownExecution| {
            let open = known.open_break.as_ref().map(|open| open.id);
            open.is_some() && open == retried
        };
        // It may have been kept as a break before its order was known.
        let places = [own.clone(), unknown].map(|place| (place, id.to_owned()));
        let found: Vec<&KnownExecution> = places
            .iter()
            .filter_map(|place| self.by_id.get(place))
            .flatten()
            .filter(|known| known.has_same_key(&reported) && !is_own(known))
            .filter(|known| known.is_break || !is_contradiction)
            .collect();
        let difference = |known: &KnownExecution| known.difference(&reported, report, self.options);
        if let Some(same) = found.iter().find(|known| difference(known).is_none()) {
            return match (&same.open_break, same.place) {
                (Some(open), _) => Classification::Broken(open.clone()),
                (None, Some(place)) => Classification::Repeated(place),
                (None, None) => Classification::Known,
            };
        }
        // Nothing tells whether two executions with one id are of one unknown order.
        let first = found.first().filter(|_| !is_of_unknown_order && !is_contradiction);
        let mismatch = first
            .and_then(|known| difference(known))
            .map(|why| format!("execution id {id:?} of {} {why}", reported.source));
        let (place, is_break) = (Some(report.place), is_of_unknown_order || is_contradiction);
        self.insert(own, Some(id), KnownExecution { is_break, place, ..reported });
        mismatch.map_or(Classification::New, Classification::Mismatch)
    }
}
