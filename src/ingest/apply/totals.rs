//! The totals that venues report for orders: those of the last report of each order are compared with the store.
//!
//! Sessions lag behind each other and messages are sent again, so that the last report in the input is not
//! always the latest. Nothing here depends on how the input is cut into batches: the totals are compared at its
//! end.

use std::cmp::Ordering;
use std::collections::{HashMap, HashSet, VecDeque};
use std::mem;

use bigdecimal::BigDecimal;
use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::kept::{fitting_venue, readable};
use super::options::Options;
use super::order_chain::{
    chain_filled, has_event_after, has_other_fill_at, orders_of, replacements_without_id,
};
use super::plan::TotalsOf;
use super::retry::resolve_if_open;
use super::step::{Report, is_id};
use super::tally::Problem;
use crate::breaks::{Break, NewBreakResolution, nearest_in_a_break};
use crate::database::role::Engine;
use crate::database::transaction::Tx;
use crate::error::Error;
use crate::ingest::event::Event;
use crate::orders::totals::Totals;
use crate::types::enums::OrderStatus;

/// Orders whose last report is remembered until the end of the input. Of more orders, those that agree with the
/// store are forgotten first; see [`has_event_after`].
const REMEMBERED: usize = 1000;

/// Orders whose totals differ that are remembered at most.
const MAX_DIFFERING: usize = 100_000;

/// Reports that ended or replaced orders of a chain that are remembered.
const MAX_ENDS: usize = 16;

/// Orders whose totals are compared with one statement.
pub(super) const COMPARED: usize = 1000;

/// The totals of the last report of each order chain of an input, by the chain's first order.
#[derive(Clone, Default)]
pub(super) struct LatestTotals {
    of_chains: HashMap<Uuid, OfChain>,
    /// The chains in the sequence in which they were reported first.
    sequence: VecDeque<Uuid>,
}

/// The reports of an order chain that matter at the end of the input.
#[derive(Clone)]
struct OfChain {
    last: VenueTotals,
    /// The last one before it that is not of the same execution.
    other: Option<VenueTotals>,
    /// What the reports that ended or replaced its orders count.
    ends: Vec<VenueCount>,
}

/// What a report of the venue counts as filled of an order chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct VenueCount {
    pub at: Option<DateTime<Utc>>,
    pub filled_quantity: BigDecimal,
}

impl OfChain {
    fn new(totals: VenueTotals) -> Self {
        Self { ends: totals.end().into_iter().collect(), last: totals, other: None }
    }

    fn add(&mut self, mut totals: VenueTotals) {
        if let Some(end) = totals.end()
            && !self.ends.contains(&end)
            && self.ends.len() < MAX_ENDS
        {
            self.ends.push(end);
        }
        if totals.time().is_some() && totals.time() == self.last.time() {
            let before = mem::take(&mut self.last.at_once);
            totals.at_once.extend(before);
            if !totals.is_later(&self.last) {
                mem::swap(&mut self.last.at_once, &mut totals.at_once);
            }
        }
        let is_of_other = totals.is_of_other(self.last.execution_id.as_deref());
        if totals.is_later(&self.last) {
            let last = mem::replace(&mut self.last, totals);
            if is_of_other {
                self.other = Some(last);
            }
        } else if is_of_other && self.other.as_ref().is_none_or(|other| totals.is_later(other)) {
            self.other = Some(totals);
        }
    }
}

/// The totals of an order as its venue reports them, kept after their report is gone.
#[derive(Clone, Debug)]
pub(super) struct VenueTotals {
    /// The line of the input on which the report begins; and the id by which the report names its order.
    pub line: u64,
    pub order: Option<String>,
    /// Whether the report was a break, and was read again when others behind it had been read.
    is_read_again: bool,
    /// Whether the report ended or replaced an order.
    is_end: bool,
    pub root: Uuid,
    pub order_id: Uuid,
    venue: String,
    pub execution_id: Option<String>,
    /// The ids of the executions that reports of the same time state, in this input.
    at_once: HashSet<String>,
    at: Option<DateTime<Utc>>,
    sent_at: Option<DateTime<Utc>>,
    sequence: Option<u64>,
    status: Option<OrderStatus>,
    pub filled_quantity: BigDecimal,
    average_price: Option<BigDecimal>,
    currency: Option<String>,
    raw: String,
}

impl VenueTotals {
    /// Returns the totals in a report; none if it has none. What a break can't hold is left out or made to fit, and is
    /// in the message as received.
    pub fn of_report(report: &Report<'_>, of: TotalsOf, options: &Options) -> Option<Self> {
        let event = report.message();
        Some(Self {
            is_read_again: report.retried.is_some(),
            is_end: event.kind.ends_order(),
            line: event.line,
            order: options.order_of(event),
            root: of.root,
            order_id: of.order_id,
            venue: fitting_venue(options.venue_of(event)).to_owned(),
            execution_id: event.execution_id.as_deref().filter(|id| is_id(id)).map(str::to_owned),
            at_once: event
                .execution_id
                .iter()
                .filter(|id| event.kind.is_execution() && is_id(id))
                .map(|id| id.clone().into_owned())
                .collect(),
            at: event.at,
            sent_at: event.sent_at,
            sequence: event.sequence,
            status: event.status,
            filled_quantity: nearest_in_a_break(event.cumulative_quantity?.value()),
            average_price: event.average_price.map(|price| nearest_in_a_break(price.value())),
            currency: event.currency.as_deref().map(str::to_owned),
            raw: readable(&event.raw),
        })
    }

    /// Whether these totals are of a later report than those that were read before: by the venue's clock, or
    /// else by the time of sending, or else by the number of the message, or else by their places in the input.
    /// Two times are compared only if they are of the same kind.
    pub fn is_later(&self, earlier: &Self) -> bool {
        let differ = |a: Option<DateTime<Utc>>, b: Option<DateTime<Utc>>| match (a, b) {
            (Some(a), Some(b)) if a != b => Some(a > b),
            _ => None,
        };
        let by_number = || match (self.sequence, earlier.sequence) {
            (Some(a), Some(b)) if a != b => Some(a > b),
            _ => None,
        };
        differ(self.at, earlier.at)
            .or_else(|| differ(self.sent_at, earlier.sent_at))
            .or_else(by_number)
            .unwrap_or_else(|| match self.line.cmp(&earlier.line) {
                Ordering::Equal => earlier.is_read_again || !self.is_read_again,
                by_place => by_place.is_gt(),
            })
    }

    /// Whether they are in a report of another execution than this one. Reports without an execution id are.
    pub fn is_of_other(&self, execution_id: Option<&str>) -> bool {
        execution_id.is_none() || self.execution_id.as_deref() != execution_id
    }

    pub fn time(&self) -> Option<DateTime<Utc>> {
        self.at.or(self.sent_at)
    }

    fn count(&self) -> VenueCount {
        VenueCount { at: self.time(), filled_quantity: self.filled_quantity.clone() }
    }

    fn end(&self) -> Option<VenueCount> {
        self.is_end.then(|| self.count())
    }

    /// Returns the totals as the store compares them. A report without a time has the Unix epoch.
    pub fn to_totals(&self) -> Totals<'_> {
        Totals {
            order_id: self.order_id,
            venue: &self.venue,
            execution_id: self.execution_id.as_deref(),
            timestamp: self.time().unwrap_or(DateTime::UNIX_EPOCH),
            status: self.status,
            filled_quantity: self.filled_quantity.clone(),
            average_price: self.average_price.clone(),
            currency: self.currency.as_deref(),
            raw: Some(self.raw.as_str()).filter(|raw| !raw.trim().is_empty()),
        }
    }
}

impl LatestTotals {
    /// Returns the totals of the last report of an order chain that is not of this execution; none if no report states
    /// any.
    pub fn of_chain(&self, root: Uuid, execution_id: Option<&str>) -> Option<&VenueTotals> {
        let OfChain { last, other, .. } = self.of_chains.get(&root)?;
        if last.is_of_other(execution_id) { Some(last) } else { other.as_ref() }
    }

    /// Returns what the reports of an order chain count that may count an execution with this id: the last one, unless
    /// it is its own, and those that ended or replaced orders.
    pub fn counts_of_chain(&self, root: Uuid, execution_id: Option<&str>) -> Vec<VenueCount> {
        let last = self.of_chain(root, execution_id).map(VenueTotals::count);
        let ends = self.of_chains.get(&root).map(|chain| chain.ends.clone()).unwrap_or_default();
        last.into_iter().chain(ends).collect()
    }

    /// Adds the totals of a report, if it is one of the last two of its order so far.
    pub fn add(&mut self, totals: VenueTotals) {
        match self.of_chains.get_mut(&totals.root) {
            Some(chain) => chain.add(totals),
            None => {
                self.sequence.push_back(totals.root);
                self.of_chains.insert(totals.root, OfChain::new(totals));
            }
        }
    }

    /// Whether more orders are remembered than there is room for.
    pub fn is_full(&self) -> bool {
        self.of_chains.len() > REMEMBERED
    }

    /// Forgets the oldest orders that agree with the store, and those that are too many.
    pub fn forget(&mut self, tx: &mut Tx<'_, Engine>) -> Result<(), Error> {
        let oldest: Vec<Uuid> = self.sequence.drain(..self.sequence.len() / 2).collect();
        for roots in oldest.chunks(COMPARED) {
            let totals = roots.iter().filter_map(|root| self.of_chains.get(root));
            let totals: Vec<_> = totals.map(|chain| &chain.last).collect();
            let compared = compare(tx, &totals)?;
            let differing = compared.iter().filter(|it| it.differs);
            let differing: HashSet<Uuid> = differing.map(|it| it.venue_totals.root).collect();
            for root in roots {
                if differing.contains(root) && self.of_chains.len() <= MAX_DIFFERING {
                    self.sequence.push_back(*root);
                } else {
                    self.of_chains.remove(root);
                }
            }
        }
        Ok(())
    }

    /// Returns the totals of the last report of each order, in one global order in which rows are locked.
    pub fn sorted(&self) -> Vec<&VenueTotals> {
        let mut sorted: Vec<_> = self.of_chains.values().map(|chain| &chain.last).collect();
        sorted.sort_by_key(|totals| totals.order_id);
        sorted
    }
}

/// The totals of a report beside the store.
struct Compared<'t> {
    venue_totals: &'t VenueTotals,
    /// The same totals, of the order that has the id of the report now: the one that the report meant may have been
    /// replaced since, under the same id.
    totals: Totals<'t>,
    differs: bool,
}

/// Compares totals with the store.
fn compare<'t>(
    tx: &mut Tx<'_, Engine>,
    venue_totals: &[&'t VenueTotals],
) -> Result<Vec<Compared<'t>>, Error> {
    let roots: Vec<Uuid> = venue_totals.iter().map(|totals| totals.root).collect();
    let replacements = replacements_without_id(tx, &roots)?;
    let bearer_of = |mut order| {
        // The loop ends: the database refuses an order that replaces itself, and a second replacement of one.
        while let Some(next) = replacements.get(&order) {
            order = *next;
        }
        order
    };
    let totals: Vec<Totals<'t>> = venue_totals
        .iter()
        .map(|totals| Totals { order_id: bearer_of(totals.order_id), ..totals.to_totals() })
        .collect();
    let differences = tx.orders().compare_totals(&totals)?;
    let compared = venue_totals.iter().zip(totals).zip(differences);
    Ok(compared
        .map(|((venue_totals, totals), differences)| {
            let differs = !differences.is_empty();
            Compared { venue_totals, totals, differs }
        })
        .collect())
}

/// Keeps a break for each order whose stored totals differ from those that its venue reported last, and resolves the
/// open breaks of totals of the others. Returns the breaks that nobody has resolved, and the ids of those that
/// were resolved now.
pub(super) fn reconcile(
    tx: &mut Tx<'_, Engine>,
    totals: &[&VenueTotals],
) -> Result<(Vec<Problem>, Vec<Uuid>), Error> {
    let compared = compare(tx, totals)?;
    let mut open = Vec::new();
    for Compared { venue_totals, totals, .. } in compared.iter().filter(|it| it.differs) {
        // A report that was repeated, or came from a session that lags: the order was in that state once.
        let time = venue_totals.time();
        if has_event_after(tx, venue_totals.root, time)? {
            continue;
        }
        // Nothing tells whether the report is later than a fill of the same time that this input does not have.
        let filled = chain_filled(tx, venue_totals.root)?;
        if venue_totals.filled_quantity < filled
            && has_other_fill_at(tx, venue_totals.root, time, &venue_totals.at_once)?
        {
            continue;
        }
        // Of several reports, only the last one counts, whichever inputs they were in.
        let chain = orders_of(tx, venue_totals.root)?;
        let earlier = tx.breaks().open_totals(&chain)?;
        if earlier.iter().any(|kept| kept.timestamp > totals.timestamp) {
            continue;
        }
        let Some(kept) = tx.breaks().reconcile(totals)? else { continue };
        for earlier in earlier.iter().filter(|earlier| earlier.id != kept.id) {
            let reason = "a later report of the venue states other totals";
            resolve_if_open(tx, &NewBreakResolution::dismiss(earlier.id, reason))?;
        }
        if tx.breaks().get(kept.id)?.resolution.is_none() {
            open.push(Problem {
                line: venue_totals.line,
                reason: kept.reason,
                break_id: kept.id,
                order: venue_totals.order.clone(),
                why: kept.detail,
            });
        }
    }
    let agreeing: HashMap<Uuid, &VenueTotals> = compared
        .iter()
        .filter(|it| !it.differs)
        .map(|it| (it.totals.order_id, it.venue_totals))
        .collect();
    let ids: Vec<Uuid> = agreeing.keys().copied().collect();
    let mut healed = Vec::new();
    for kept in tx.breaks().open_totals(&ids)? {
        // A report that is older than the break says nothing against it.
        let later = kept.order_id.and_then(|id| agreeing.get(&id)).and_then(|totals| totals.time());
        if later.is_some_and(|time| time >= kept.timestamp) {
            heal(tx, &kept)?;
            healed.push(kept.id);
        }
    }
    Ok((open, healed))
}

/// Returns whether the store has come to the totals that a break holds, and resolves the break then. `event` is the
/// report that it was made of.
pub(super) fn heal_if_equal(
    tx: &mut Tx<'_, Engine>,
    kept: &Break,
    event: Option<&Event<'_>>,
) -> Result<bool, Error> {
    let (Some(order_id), Some(event)) = (kept.order_id, event) else { return Ok(false) };
    let totals = Totals {
        order_id,
        venue: &kept.venue,
        execution_id: kept.execution_id.as_deref(),
        timestamp: kept.timestamp,
        status: event.status,
        filled_quantity: kept.quantity.clone(),
        average_price: Some(kept.price.clone()),
        currency: event.currency.as_deref(),
        raw: None,
    };
    let differing = tx.orders().compare_totals(std::slice::from_ref(&totals))?;
    if differing.iter().any(|fields| !fields.is_empty()) {
        return Ok(false);
    }
    heal(tx, kept)?;
    Ok(true)
}

fn heal(tx: &mut Tx<'_, Engine>, kept: &Break) -> Result<(), Error> {
    let reason = super::kept::healed(kept.reason);
    resolve_if_open(tx, &NewBreakResolution::dismiss(kept.id, reason)).map(drop)
}
