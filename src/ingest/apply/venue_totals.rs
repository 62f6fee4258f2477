//! The totals that venues report for orders. Of several reports of one order, one takes precedence.
//!
//! Sessions lag behind each other and messages are sent again, so that the last report in the input is not
//! always the latest.

use std::cmp::Ordering;
use std::collections::HashMap;

use bigdecimal::BigDecimal;
use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::options::Options;
use super::order_chain::has_event_after;
use super::stored_venue::{BreaksOf, stored_venue};
use crate::database::role::Engine;
use crate::database::transaction::Tx;
use crate::error::Error;
use crate::ingest::event::{Event, Kind, Number};
use crate::orders::totals::Totals;
use crate::types::enums::{BreakReason, OrderStatus};

/// The latest report with totals for each order of a batch, by [`Precedence`].
#[derive(Default)]
pub(super) struct ReportedTotals<'e>(HashMap<Uuid, &'e Event<'e>>);

/// The totals of an order from the report that takes precedence, kept after its batch is gone.
#[derive(Clone, Debug)]
pub(super) struct VenueTotals {
    pub order_id: Uuid,
    kind: Kind,
    venue: String,
    execution_id: Option<String>,
    timestamp: Option<DateTime<Utc>>,
    status: Option<OrderStatus>,
    pub filled_quantity: BigDecimal,
    average_price: Option<BigDecimal>,
    currency: Option<String>,
    raw: String,
}

/// The precedence of a report over other reports of the same order.
///
/// The later report counts, by the venue's clock. But the filled quantity never falls and an ended order
/// stays ended, except by a bust or a correction: a report that says otherwise is out of date.
struct Precedence {
    at: Option<DateTime<Utc>>,
    amends: bool,
    filled: BigDecimal,
    has_ended: bool,
}

impl Precedence {
    fn of_report(event: &Event<'_>) -> Option<Self> {
        Some(Self {
            at: event.time(),
            amends: matches!(event.kind, Kind::Bust | Kind::Correct),
            filled: event.cumulative_quantity?.value(),
            has_ended: event.status.is_some_and(|status| !status.is_open()),
        })
    }

    fn of_totals(totals: &VenueTotals) -> Self {
        Self {
            at: totals.timestamp,
            amends: matches!(totals.kind, Kind::Bust | Kind::Correct),
            filled: totals.filled_quantity.clone(),
            has_ended: totals.status.is_some_and(|status| !status.is_open()),
        }
    }

    /// Whether a report counts although this other one was read before it.
    fn supersedes(&self, earlier: &Self) -> bool {
        match self.filled.cmp(&earlier.filled) {
            // An end counts whatever the clocks of the two sessions say.
            Ordering::Equal if self.has_ended != earlier.has_ended => {
                self.has_ended || self.amends && self.at >= earlier.at
            }
            Ordering::Less => self.amends && self.at >= earlier.at,
            _ => self.at >= earlier.at,
        }
    }
}

impl<'e> ReportedTotals<'e> {
    /// Records the totals of a report of this order, if it has any and counts.
    pub fn record(&mut self, event: &'e Event<'e>, order_id: Uuid) {
        let Some(new) = Precedence::of_report(event) else { return };
        let earlier = self.0.get(&order_id).and_then(|event| Precedence::of_report(event));
        if earlier.is_none_or(|earlier| new.supersedes(&earlier)) {
            self.0.insert(order_id, event);
        }
    }

    /// Removes an order that has been replaced: later totals belong to its replacement.
    pub fn remove(&mut self, order_id: Uuid) {
        self.0.remove(&order_id);
    }

    /// Returns the shares that the venue counts as filled, as far as it has reported in this batch.
    pub fn filled_quantity(&self, order_id: Uuid) -> Option<Number<'e>> {
        self.0.get(&order_id)?.cumulative_quantity
    }

    /// Returns the totals that take precedence after this batch, given those that differed `before` it.
    /// `stored_id` gives the id under which an order was stored, none if it was refused.
    pub fn merge(
        self,
        before: &HashMap<Uuid, VenueTotals>,
        options: &Options,
        stored_id: impl Fn(Uuid) -> Option<Uuid>,
    ) -> Vec<VenueTotals> {
        let mut merged = Vec::new();
        for (order_id, event) in self.0 {
            let Some(order_id) = stored_id(order_id) else { continue };
            let Some(new) = Precedence::of_report(event) else { continue };
            match before.get(&order_id) {
                Some(earlier) if !new.supersedes(&Precedence::of_totals(earlier)) => {
                    merged.push(earlier.clone());
                }
                _ => merged.push(VenueTotals {
                    order_id,
                    kind: event.kind,
                    venue: options.venue_of(event).to_owned(),
                    execution_id: event.execution_id.as_deref().map(str::to_owned),
                    timestamp: event.time(),
                    status: event.status,
                    filled_quantity: new.filled,
                    average_price: event.average_price.map(|price| price.value()),
                    currency: event.currency.as_deref().map(str::to_owned),
                    raw: event.raw.to_string(),
                }),
            }
        }
        merged
    }
}

impl VenueTotals {
    /// Returns the totals as the store compares them. A report without a time has the Unix epoch.
    pub fn to_totals(&self) -> Totals<'_> {
        Totals {
            order_id: self.order_id,
            venue: &self.venue,
            execution_id: self.execution_id.as_deref(),
            timestamp: self.timestamp.unwrap_or(DateTime::UNIX_EPOCH),
            status: self.status,
            filled_quantity: self.filled_quantity.clone(),
            average_price: self.average_price.clone(),
            currency: self.currency.as_deref(),
            raw: Some(self.raw.as_str()).filter(|raw| !raw.trim().is_empty()),
        }
    }
}

/// Splits totals into the ids of orders whose stored totals are the same, and the totals that differ.
pub(super) fn compare(
    tx: &mut Tx<'_, Engine>,
    venue_totals: Vec<VenueTotals>,
) -> Result<(Vec<Uuid>, Vec<VenueTotals>), Error> {
    let totals: Vec<Totals<'_>> = venue_totals.iter().map(VenueTotals::to_totals).collect();
    let differences = tx.orders().compare_totals(&totals)?;
    drop(totals);
    let (mut agreeing, mut differing) = (Vec::new(), Vec::new());
    for (totals, differences) in venue_totals.into_iter().zip(differences) {
        if differences.is_empty() {
            agreeing.push(totals.order_id);
        } else {
            differing.push(totals);
        }
    }
    Ok((agreeing, differing))
}

/// Keeps a break for each order whose stored totals still differ at the end of the input. Returns the
/// reasons of those that nobody has resolved.
pub(super) fn reconcile(
    tx: &mut Tx<'_, Engine>,
    differing: &HashMap<Uuid, VenueTotals>,
    options: &Options,
) -> Result<Vec<BreakReason>, Error> {
    let mut open = Vec::new();
    let mut differing: Vec<_> = differing.values().collect();
    // Rows are locked in one global order, so concurrent runs cannot deadlock.
    differing.sort_by_key(|totals| totals.order_id);
    for venue_totals in differing {
        // A report that was repeated, or came from a session that lags: the order was in that state once.
        if has_event_after(tx, venue_totals.order_id, venue_totals.timestamp)? {
            continue;
        }
        let totals = venue_totals.to_totals();
        let venue = stored_venue(tx, &totals.as_execution(), &options.venue, BreaksOf::Totals)?;
        let venue = venue.as_deref().unwrap_or(totals.venue);
        let Some(kept) = tx.breaks().reconcile(&Totals { venue, ..totals })? else { continue };
        if tx.breaks().get(kept.id)?.resolution.is_none() {
            open.push(kept.reason);
        }
    }
    Ok(open)
}
