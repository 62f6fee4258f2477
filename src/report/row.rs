//! One action, with all that it takes to make the order again as it was then.

use bigdecimal::BigDecimal;
use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::running_totals::Standing;
use crate::types::enums::{Action, BreakReason, OrderStatus, OrderType, Side};
use crate::types::price::{Commission, Price};

/// An action on an order: one entry of the log, beside the terms of the order, the fill or the break that
/// the entry is about, and where the order stood after it.
///
/// It serializes flat, under the names of [`Row::FIELDS`]: decimals as text, moments in RFC 3339 to the
/// microsecond. `docs/report.md` says the same field by field.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Row {
    /// Place of the entry in the whole log.
    pub sequence: i64,
    /// The entry.
    pub entry_id: Uuid,
    /// The seal that covers the entry; none if it is not sealed yet.
    pub seal_id: Option<i64>,
    /// The order acted upon.
    pub order_id: Uuid,
    /// The client's id of the order (FIX tag 11, ClOrdID).
    pub client_order_id: Option<String>,
    /// The venue's id of the order (FIX tag 37, OrderID), if it was known then.
    pub venue_order_id: Option<String>,
    /// The order that this one replaces (FIX tag 41, OrigClOrdID).
    pub replaces: Option<Uuid>,
    /// The trader whose order it is.
    pub trader_id: Uuid,
    /// The trader's name.
    pub trader_name: String,
    /// Stock symbol (FIX tag 55).
    pub symbol: String,
    /// Which way the order trades (FIX tag 54).
    pub side: Option<Side>,
    /// How the order is priced (FIX tag 40).
    pub order_type: OrderType,
    /// Number of shares to trade (FIX tag 38, OrderQty).
    pub quantity: i32,
    /// Limit price, or a STOP's trigger, in currency units.
    pub price: Option<Price>,
    /// Risk-management price in currency units: close the position at this loss.
    pub stop_loss: Option<Price>,
    /// Risk-management price in currency units: close the position at this profit.
    pub take_profit: Option<Price>,
    /// Expiration, if a timeout is set.
    #[serde(serialize_with = "crate::types::text::optional_micros")]
    pub expires_at: Option<DateTime<Utc>>,
    /// What happened.
    pub action: Action,
    /// The order's status before it; none of a submission.
    pub status_before: Option<OrderStatus>,
    /// The order's status after it.
    pub status_after: Option<OrderStatus>,
    /// When it happened by the clock of the venue or whoever reported it (FIX tag 60, TransactTime); none
    /// where the store itself was where it happened.
    #[serde(serialize_with = "crate::types::text::optional_micros")]
    pub event_time: Option<DateTime<Utc>>,
    /// When it was recorded, by the clock of the database.
    #[serde(serialize_with = "crate::types::text::micros")]
    pub record_time: DateTime<Utc>,
    /// Login that acted; none in entries of before it was kept.
    pub acted_by: Option<String>,
    /// Database role it acted as; none in entries of before it was kept.
    pub acted_as: Option<String>,
    /// Why, in words (FIX tag 58, Text).
    pub reason: Option<String>,
    /// The venue's code.
    pub error_code: Option<String>,
    /// Number of the retry; 0 = first try.
    pub retry_attempt: Option<i32>,
    /// The fill, bust or correction that was booked.
    pub fill_id: Option<Uuid>,
    /// Shares of it (FIX tag 32, LastQty).
    pub fill_quantity: Option<i32>,
    /// Price per share of it in currency units (FIX tag 31, LastPx).
    pub fill_price: Option<Price>,
    /// Where it was executed (FIX tag 30, LastMkt).
    pub fill_venue: Option<String>,
    /// Commission for it in currency units (FIX tag 12).
    pub fill_commission: Option<Commission>,
    /// The venue's id of it (FIX tag 17, ExecID).
    pub execution_id: Option<String>,
    /// The fill that it corrects or busts.
    pub amends: Option<Uuid>,
    /// The venue's id of that one (FIX tag 19, ExecRefID).
    pub amended_execution_id: Option<String>,
    /// Whether it takes back what it amends (FIX 150=H).
    pub is_bust: Option<bool>,
    /// The break that was kept, booked or dismissed.
    pub break_id: Option<Uuid>,
    /// Why the break could not be applied.
    pub break_reason: Option<BreakReason>,
    /// Shares filled of this order after the action (FIX tag 14, CumQty, of this order alone).
    pub cumulative_quantity: i64,
    /// Sum of quantity × price of those in currency units, exact (FIX tag 381, GrossTradeAmt).
    #[serde(serialize_with = "crate::types::text::plain")]
    pub cumulative_notional: BigDecimal,
    /// Sum of their commissions in currency units, exact.
    #[serde(serialize_with = "crate::types::text::plain")]
    pub cumulative_commission: BigDecimal,
    /// Their average price (FIX tag 6, AvgPx): the notional divided by the quantity, to
    /// [`Row::AVERAGE_PLACES`] decimal places, halves away from zero; none of no shares.
    #[serde(serialize_with = "optional_plain")]
    pub average_price: Option<BigDecimal>,
    /// Whether the average is exact, and nothing was rounded.
    pub average_is_exact: Option<bool>,
    /// By how much the action has moved the totals of its order.
    #[serde(skip)]
    pub(super) change: Standing,
}

impl Row {
    /// Decimal places to which an average is given.
    pub const AVERAGE_PLACES: u8 = 10;

    /// The names of the fields, in their order.
    pub const FIELDS: &'static [&'static str] = &[
        "sequence",
        "entry_id",
        "seal_id",
        "order_id",
        "client_order_id",
        "venue_order_id",
        "replaces",
        "trader_id",
        "trader_name",
        "symbol",
        "side",
        "order_type",
        "quantity",
        "price",
        "stop_loss",
        "take_profit",
        "expires_at",
        "action",
        "status_before",
        "status_after",
        "event_time",
        "record_time",
        "acted_by",
        "acted_as",
        "reason",
        "error_code",
        "retry_attempt",
        "fill_id",
        "fill_quantity",
        "fill_price",
        "fill_venue",
        "fill_commission",
        "execution_id",
        "amends",
        "amended_execution_id",
        "is_bust",
        "break_id",
        "break_reason",
        "cumulative_quantity",
        "cumulative_notional",
        "cumulative_commission",
        "average_price",
        "average_is_exact",
    ];
}

fn optional_plain<S: serde::Serializer>(
    value: &Option<BigDecimal>,
    to: S,
) -> Result<S::Ok, S::Error> {
    match value {
        Some(value) => crate::types::text::plain(value, to),
        None => to.serialize_none(),
    }
}
