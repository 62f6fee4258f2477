//! One row of a report.

use bigdecimal::BigDecimal;
use chrono::{DateTime, NaiveDate, Utc};
use uuid::Uuid;

use super::running_totals::{self, RunningTotals};
use crate::types::enums::{Action, BreakReason, OrderStatus, OrderType, Side, TimeInForce};
use crate::types::instructions::Instructions;
use crate::types::price::{Commission, Price};

/// One row of a report: an action on an order, with the full state of the order after it.
///
/// A row combines one log entry, the terms of its order, and the fill or break that the entry refers to.
/// It serializes flat under the names of [`ReportRow::FIELDS`]: decimals as text, times in RFC 3339 to the
/// microsecond. `docs/report.md` describes each field.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct ReportRow {
    /// Sequence number of the log entry.
    pub sequence: i64,
    /// Id of the log entry.
    pub entry_id: Uuid,
    /// Number of the seal that covers the entry; none if no seal does yet.
    pub seal_id: Option<i64>,
    /// Id of the order.
    pub order_id: Uuid,
    /// The client's id of the order (FIX tag 11, ClOrdID).
    pub client_order_id: Option<String>,
    /// Trading day of the client's id, where ids start again each day (FIX tag 75, TradeDate).
    pub trading_day: Option<NaiveDate>,
    /// The venue's id of the order (FIX tag 37, OrderID); none if it was not known by then.
    pub venue_order_id: Option<String>,
    /// Id of the order that this one replaces (FIX tag 41, OrigClOrdID).
    pub replaces: Option<Uuid>,
    /// Id of the first order of the order chain; the order's own id if it replaces none.
    pub root_id: Uuid,
    /// Id of the trader who owns the order.
    pub trader_id: Uuid,
    /// Name of the trader.
    pub trader_name: String,
    /// Account that the order trades for (FIX tag 1, Account).
    pub account: Option<String>,
    /// Stock symbol (FIX tag 55, Symbol).
    pub symbol: String,
    /// Buy, sell or sell short (FIX tag 54, Side); none if a client of the base schema left it out.
    pub side: Option<Side>,
    /// How the order is priced (FIX tag 40, OrdType).
    pub order_type: OrderType,
    /// How long the order stays open (FIX tag 59, TimeInForce); none if not stated, which FIX reads as DAY.
    pub time_in_force: Option<TimeInForce>,
    /// Number of shares to trade (FIX tag 38, OrderQty).
    pub quantity: i32,
    /// Limit price (FIX tag 44), or trigger price of a STOP order (99), in currency units.
    pub price: Option<Price>,
    /// Limit price of a stop-limit order in currency units (FIX tag 44, Price, of 40=4).
    pub limit_price: Option<Price>,
    /// Risk-management price in currency units: close the position at this loss.
    pub stop_loss: Option<Price>,
    /// Risk-management price in currency units: close the position at this profit.
    pub take_profit: Option<Price>,
    /// Currency of the prices, ISO 4217 (FIX tag 15, Currency).
    pub currency: Option<String>,
    /// When the order was received from the customer (FIX tag 60, TransactTime, of 35=D).
    #[serde(serialize_with = "crate::types::text::optional_micros")]
    pub received_at: Option<DateTime<Utc>>,
    /// When the order expires (FIX tag 126, ExpireTime); none if it has no timeout.
    #[serde(serialize_with = "crate::types::text::optional_micros")]
    pub expires_at: Option<DateTime<Utc>>,
    /// Further terms of the order; serialized as the text of a JSON object.
    #[serde(serialize_with = "optional_text")]
    pub instructions: Option<Instructions>,
    /// The action that the entry records.
    pub action: Action,
    /// Status of the order before the action; none for SUBMITTED.
    pub status_before: Option<OrderStatus>,
    /// Status of the order after the action (FIX tag 39, OrdStatus).
    pub status_after: Option<OrderStatus>,
    /// When the action happened, by the clock of the venue or other reporter (FIX tag 60, TransactTime); none if
    /// nobody reported a time.
    #[serde(serialize_with = "crate::types::text::optional_micros")]
    pub event_time: Option<DateTime<Utc>>,
    /// When the action was recorded, by the clock of the database.
    #[serde(serialize_with = "crate::types::text::micros")]
    pub record_time: DateTime<Utc>,
    /// Login of the session that acted.
    pub acted_by: String,
    /// Database role that the session acted as.
    pub acted_as: String,
    /// Reason of the action in words (FIX tag 58, Text).
    pub reason: Option<String>,
    /// The venue's error code (FIX tag 103, OrdRejReason, and others).
    pub error_code: Option<String>,
    /// Number of the retry; 0 is the first try.
    pub retry_attempt: Option<i32>,
    /// Id of the report that the action was read from.
    pub report_id: Option<Uuid>,
    /// Id of the fill, bust or correction that the entry records.
    pub fill_id: Option<Uuid>,
    /// Shares of that fill (FIX tag 32, LastQty).
    pub fill_quantity: Option<i32>,
    /// Price per share of that fill in currency units (FIX tag 31, LastPx).
    pub fill_price: Option<Price>,
    /// Venue of that fill (FIX tag 30, LastMkt).
    pub fill_venue: Option<String>,
    /// Who assigned the execution id of that fill; by default the venue.
    pub fill_source: Option<String>,
    /// Commission for that fill in currency units (FIX tag 12, Commission).
    pub fill_commission: Option<Commission>,
    /// What the venue paid for that fill, in currency units: a commission below 0 (FIX tag 12).
    pub fill_rebate: Option<Commission>,
    /// Execution id of that fill (FIX tag 17, ExecID).
    pub execution_id: Option<String>,
    /// Id of the fill that this fill corrects or busts.
    pub amends: Option<Uuid>,
    /// Execution id of the fill that this fill corrects or busts (FIX tag 19, ExecRefID).
    pub amended_execution_id: Option<String>,
    /// Whether this fill is a bust (FIX 150=H); with `amends` and `false` it is a correction.
    pub is_bust: Option<bool>,
    /// Id of the break that was recorded, booked or dismissed.
    pub break_id: Option<Uuid>,
    /// Why the execution of that break could not be applied.
    pub break_reason: Option<BreakReason>,
    /// Shares of this order that are filled after the action (FIX tag 14, CumQty, but without the rest of the
    /// order chain).
    pub cumulative_quantity: i64,
    /// Sum of quantity × price of those shares in currency units, exact (FIX tag 381, GrossTradeAmt).
    #[serde(serialize_with = "crate::types::text::plain")]
    pub cumulative_notional: BigDecimal,
    /// Sum of the commissions of those fills in currency units, exact.
    #[serde(serialize_with = "crate::types::text::plain")]
    pub cumulative_commission: BigDecimal,
    /// Sum of the rebates of those fills in currency units, exact.
    #[serde(serialize_with = "crate::types::text::plain")]
    pub cumulative_rebate: BigDecimal,
    /// Average price of those shares in currency units (FIX tag 6, AvgPx): notional divided by quantity, rounded
    /// to [`ReportRow::AVERAGE_PLACES`] decimal places, halves away from zero; none if no share is filled.
    #[serde(serialize_with = "optional_plain")]
    pub average_price: Option<BigDecimal>,
    /// Whether the average price needed no rounding; none if no share is filled.
    pub average_is_exact: Option<bool>,
    /// The change of the order's running totals by the action.
    #[serde(skip)]
    pub(super) change: RunningTotals,
}

impl ReportRow {
    /// Decimal places to which an average price is rounded.
    pub const AVERAGE_PLACES: u8 = running_totals::AVERAGE_PLACES;

    /// Names of the serialized fields, in their order.
    pub const FIELDS: &'static [&'static str] = &[
        "sequence",
        "entry_id",
        "seal_id",
        "order_id",
        "client_order_id",
        "trading_day",
        "venue_order_id",
        "replaces",
        "root_id",
        "trader_id",
        "trader_name",
        "account",
        "symbol",
        "side",
        "order_type",
        "time_in_force",
        "quantity",
        "price",
        "limit_price",
        "stop_loss",
        "take_profit",
        "currency",
        "received_at",
        "expires_at",
        "instructions",
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
        "report_id",
        "fill_id",
        "fill_quantity",
        "fill_price",
        "fill_venue",
        "fill_source",
        "fill_commission",
        "fill_rebate",
        "execution_id",
        "amends",
        "amended_execution_id",
        "is_bust",
        "break_id",
        "break_reason",
        "cumulative_quantity",
        "cumulative_notional",
        "cumulative_commission",
        "cumulative_rebate",
        "average_price",
        "average_is_exact",
    ];
}

fn optional_text<S: serde::Serializer>(
    value: &Option<Instructions>,
    to: S,
) -> Result<S::Ok, S::Error> {
    match value {
        Some(value) => to.collect_str(value),
        None => to.serialize_none(),
    }
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
