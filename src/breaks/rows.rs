//! Breaks and their resolutions, as they are stored and as they are written.

use bigdecimal::BigDecimal;
use chrono::{DateTime, Utc};
use diesel::prelude::*;
use uuid::Uuid;

use super::execution::ExecutionKind;
use crate::schema::{break_resolutions, breaks};
use crate::types::enums::BreakReason;

/// A break: a report that could not be applied, as it was received. Rows are append-only.
///
/// Three kinds of break hold no execution: [`BreakReason::Totals`], the totals of an order that a venue reports
/// and that differ from the store's; [`BreakReason::InvalidOrder`], an order that cannot be stored; and
/// [`BreakReason::UnappliedAction`], another action on an order.
#[derive(HasQuery, Identifiable, Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[diesel(table_name = breaks)]
#[diesel(check_for_backend(diesel::pg::Pg))]
pub struct Break {
    /// Identifier of the break.
    pub id: Uuid,
    /// The kind of rule that refused the report.
    pub reason: BreakReason,
    /// The refusal in words, up to 1000 characters.
    pub detail: String,
    /// The order that the report names, whether or not it is stored; `None` if the report names none.
    pub order_id: Option<Uuid>,
    /// The trader of that order: of the stored order if there is one, otherwise as the report names it.
    pub trader_id: Option<Uuid>,
    /// The client's id of the order that the report names (FIX tag 11, ClOrdID).
    pub client_order_id: Option<String>,
    /// Venue of the execution (FIX tag 30, LastMkt).
    pub venue: String,
    /// Who assigned the execution id; by default the venue.
    pub source: String,
    /// The venue's identifier of the execution report (FIX tag 17, ExecID).
    pub execution_id: Option<String>,
    /// Execution id of the fill to amend (FIX tag 19, ExecRefID); only of a bust or a correction.
    pub refers_to: Option<String>,
    /// Whether the report is a bust (FIX 150=H).
    pub is_bust: bool,
    /// When the execution occurred (FIX tag 60, TransactTime).
    pub timestamp: DateTime<Utc>,
    /// Reported shares; of totals, all shares filled (FIX tag 14, CumQty); of an order or another action, those
    /// of the order.
    #[cfg_attr(feature = "serde", serde(serialize_with = "crate::types::text::plain"))]
    pub quantity: BigDecimal,
    /// Reported price per share in currency units; of totals, the average price (FIX tag 6, AvgPx), or 0
    /// if the venue reports none.
    #[cfg_attr(feature = "serde", serde(serialize_with = "crate::types::text::plain"))]
    pub price: BigDecimal,
    /// Reported commission in currency units.
    #[cfg_attr(feature = "serde", serde(serialize_with = "crate::types::text::plain"))]
    pub commission: BigDecimal,
    /// Reported rebate in currency units.
    #[cfg_attr(feature = "serde", serde(serialize_with = "crate::types::text::plain"))]
    pub rebate: BigDecimal,
    /// The message as received.
    pub raw: Option<String>,
    /// When the break was stored.
    pub created_at: DateTime<Utc>,
    /// Login that stored the break.
    pub acted_by: String,
    /// Database role of that login at the time.
    pub acted_as: String,
}

impl Break {
    /// Returns the kind of execution that was reported; `None` if this break holds no execution
    /// ([`BreakReason::is_execution`]).
    pub fn kind(&self) -> Option<ExecutionKind<'_>> {
        let kind = ExecutionKind::of_columns(self.refers_to.as_deref(), self.is_bust);
        self.reason.is_execution().then_some(kind)
    }
}

/// The resolution of a break: it was booked as a fill, or dismissed. Rows are append-only.
#[derive(HasQuery, Identifiable, Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[diesel(table_name = break_resolutions)]
#[diesel(check_for_backend(diesel::pg::Pg))]
pub struct BreakResolution {
    /// Identifier of the resolution.
    pub id: Uuid,
    /// The break that the resolution is about.
    pub break_id: Uuid,
    /// Whether the break was booked as a fill; otherwise it was dismissed.
    pub is_booked: bool,
    /// The order that the break was booked to; if dismissed, the order that the break names.
    pub order_id: Option<Uuid>,
    /// The trader of that order.
    pub trader_id: Option<Uuid>,
    /// The fill, bust or correction that the break was booked as; `None` if dismissed.
    pub fill_id: Option<Uuid>,
    /// The reason of the resolution, in words.
    pub reason: String,
    /// When the break was resolved.
    pub created_at: DateTime<Utc>,
    /// Login that resolved the break.
    pub acted_by: String,
    /// Database role of that login at the time.
    pub acted_as: String,
}

impl BreakResolution {
    /// Returns how the break was resolved; if booked, with the order that it was booked to.
    pub fn resolution(&self) -> Resolution {
        match self.is_booked {
            true => Resolution::Book { order: self.order_id },
            false => Resolution::Dismiss,
        }
    }
}

/// A break with its resolution, if it has one.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct BreakHistory {
    /// The break, as it was reported.
    pub reported: Break,
    /// The resolution of the break; `None` while the break is open.
    pub resolution: Option<BreakResolution>,
}

/// How to resolve a break: book it as a fill, or dismiss it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub enum Resolution {
    /// Book the execution as a fill, bust or correction.
    Book {
        /// The order to book it to; `None` for the order that the break names.
        order: Option<Uuid>,
    },
    /// Dismiss the break: its execution stays unbooked for good.
    Dismiss,
}

/// A resolution to make with [`Breaks::resolve`](crate::Breaks::resolve).
///
/// ```
/// use tradeblotter::{NewBreakResolution, Resolution};
/// # let (break_id, order_id) = (uuid::Uuid::from_u128(1), uuid::Uuid::from_u128(2));
///
/// let late_fill = NewBreakResolution::book(break_id, "confirmed by the broker");
/// let resolution = Resolution::Book { order: Some(order_id) };
/// let of_another_order = NewBreakResolution { resolution, ..late_fill };
/// let duplicate = NewBreakResolution::dismiss(break_id, "the venue has sent it twice");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct NewBreakResolution<'a> {
    /// The break to resolve.
    pub break_id: Uuid,
    /// Whether to book the break, and to which order, or to dismiss it.
    pub resolution: Resolution,
    /// The reason, in words, 1 to 900 characters.
    pub reason: &'a str,
}

impl<'a> NewBreakResolution<'a> {
    /// Returns a resolution that books the execution to the order that the break names.
    pub fn book(break_id: Uuid, reason: &'a str) -> Self {
        Self { break_id, resolution: Resolution::Book { order: None }, reason }
    }

    /// Returns a resolution that dismisses the break: its execution stays unbooked for good.
    pub fn dismiss(break_id: Uuid, reason: &'a str) -> Self {
        Self { break_id, resolution: Resolution::Dismiss, reason }
    }
}
