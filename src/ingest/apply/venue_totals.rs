//! How orders stand by the venue's account: of all that it reports of an order, the report that counts.

use std::cmp::Ordering;
use std::collections::HashMap;

use bigdecimal::BigDecimal;
use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::plan::venue;
use super::writer::Options;
use crate::ingest::event::{Event, Kind, Number};
use crate::orders::totals::Totals;
use crate::types::enums::OrderStatus;

/// The reports of a batch that tell totals, by order: of each order the one that counts.
#[derive(Default)]
pub(super) struct Standings<'e>(HashMap<Uuid, &'e Event<'e>>);

/// How an order stands by a report, which has been let go.
#[derive(Clone, Debug)]
pub(super) struct Standing {
    pub order_id: Uuid,
    kind: Kind,
    venue: String,
    execution_id: Option<String>,
    pub timestamp: Option<DateTime<Utc>>,
    status: Option<OrderStatus>,
    pub filled_quantity: BigDecimal,
    average_price: Option<BigDecimal>,
    currency: Option<String>,
    raw: String,
}

/// What decides which of two reports counts. Sessions lag behind each other, and messages are sent again:
/// what was told later counts, but what is filled or has ended stays so but for a bust or a correction.
struct Claim {
    at: Option<DateTime<Utc>>,
    amends: bool,
    filled: BigDecimal,
    has_ended: bool,
}

impl Claim {
    fn of(event: &Event<'_>) -> Option<Self> {
        Some(Self {
            at: event.at,
            amends: matches!(event.kind, Kind::Bust | Kind::Correct),
            filled: event.cumulative_quantity?.value(),
            has_ended: event.status.is_some_and(|status| !status.is_open()),
        })
    }

    /// Whether it counts although there is an earlier one.
    fn beats(&self, earlier: &Self) -> bool {
        match self.filled.cmp(&earlier.filled) {
            // Whichever clock is late.
            Ordering::Equal if self.has_ended != earlier.has_ended => {
                self.has_ended || self.amends && self.at >= earlier.at
            }
            Ordering::Less => self.amends && self.at >= earlier.at,
            _ => self.at >= earlier.at,
        }
    }
}

impl<'e> Standings<'e> {
    /// Takes note of a report of this order, if it tells totals.
    pub fn report(&mut self, event: &'e Event<'e>, order_id: Uuid) {
        let Some(claim) = Claim::of(event) else { return };
        let earlier = self.0.get(&order_id).and_then(|earlier| Claim::of(earlier));
        if earlier.is_none_or(|earlier| claim.beats(&earlier)) {
            self.0.insert(order_id, event);
        }
    }

    /// Forgets an order, since another one stands for it.
    pub fn forget(&mut self, order_id: Uuid) {
        self.0.remove(&order_id);
    }

    /// Shares that the venue counts of an order, as far as it has reported.
    pub fn counted(&self, order_id: Uuid) -> Option<Number<'e>> {
        self.0.get(&order_id)?.cumulative_quantity
    }

    /// The reports that count, beside those of before that still do.
    pub fn settle(
        self,
        before: &HashMap<Uuid, Standing>,
        options: &Options,
        stored: impl Fn(Uuid) -> Option<Uuid>,
    ) -> Vec<Standing> {
        let mut settled = Vec::new();
        for (order_id, event) in self.0 {
            let Some(order_id) = stored(order_id) else { continue };
            let Some(claim) = Claim::of(event) else { continue };
            match before.get(&order_id) {
                Some(earlier) if !claim.beats(&earlier.claim()) => settled.push(earlier.clone()),
                _ => settled.push(Standing {
                    order_id,
                    kind: event.kind,
                    venue: venue(event, options).to_owned(),
                    execution_id: event.execution_id.as_deref().map(str::to_owned),
                    timestamp: event.at,
                    status: event.status,
                    filled_quantity: claim.filled,
                    average_price: event.average_price.map(|price| price.value()),
                    currency: event.currency.as_deref().map(str::to_owned),
                    raw: event.raw.to_string(),
                }),
            }
        }
        settled
    }
}

impl Standing {
    fn claim(&self) -> Claim {
        Claim {
            at: self.timestamp,
            amends: matches!(self.kind, Kind::Bust | Kind::Correct),
            filled: self.filled_quantity.clone(),
            has_ended: self.status.is_some_and(|status| !status.is_open()),
        }
    }

    pub fn totals(&self) -> Totals<'_> {
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
