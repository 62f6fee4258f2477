//! Values in words: times, ages, sides, what a break is about.

use bigdecimal::{BigDecimal, RoundingMode, Zero};
use chrono::{DateTime, TimeDelta, Utc};
use tradeblotter::{Break, BreakReason, ExecutionKind, Order, Side};

/// Decimal places of an average price.
const AVERAGE_SCALE: i64 = 4;

/// Returns a time in UTC: of today the time of day, of another day the date too.
pub fn time(at: DateTime<Utc>, now: DateTime<Utc>) -> String {
    let format = if at.date_naive() == now.date_naive() {
        "%H:%M:%S"
    } else if now - at < TimeDelta::days(300) && now - at > TimeDelta::days(-300) {
        "%m-%d %H:%M"
    } else {
        "%Y-%m-%d"
    };
    at.format(format).to_string()
}

/// Returns a time in UTC in full.
pub fn full_time(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// Returns how long ago a time was, in its largest unit.
pub fn age(at: DateTime<Utc>, now: DateTime<Utc>) -> String {
    let seconds = (now - at).num_seconds().max(0);
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min", seconds / 60),
        3600..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    }
}

/// Returns a number with its noun.
pub fn counted(count: u64, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

pub fn side(side: Option<Side>) -> &'static str {
    match side {
        None => "",
        Some(Side::Buy) => "BUY",
        Some(Side::Sell) => "SELL",
        Some(Side::SellShort) => "SHORT",
        Some(Side::SellShortExempt) => "EXEMPT",
    }
}

/// Returns an average price, rounded for the screen.
pub fn average(price: &BigDecimal) -> String {
    let rounded = price.with_scale_round(AVERAGE_SCALE, RoundingMode::HalfUp);
    let text = rounded.to_plain_string();
    // At least two decimal places, as prices have.
    let shortest = text.len() - 2;
    let zeros = text.len() - text.trim_end_matches('0').len();
    text[..text.len().saturating_sub(zeros).max(shortest)].to_owned()
}

/// Returns an order in words: side, quantity, symbol, type and price.
pub fn order(order: &Order) -> String {
    let side = order.side.map_or("", Side::label);
    let price = order.price.map(|price| format!(" {price}")).unwrap_or_default();
    let Order { quantity, symbol, order_type, .. } = order;
    format!("{side} {quantity} {symbol} {order_type}{price}").trim_start().to_owned()
}

/// Returns the kind of report that a break holds, in one word.
pub fn kind(reported: &Break) -> &'static str {
    match (reported.reason, reported.kind()) {
        (BreakReason::Totals, _) => "totals",
        (BreakReason::InvalidOrder, _) => "order",
        (BreakReason::UnappliedAction, _) => "action",
        (_, Some(ExecutionKind::Bust { .. })) => "bust",
        (_, Some(ExecutionKind::Correction { .. })) => "correction",
        (_, Some(ExecutionKind::Fill) | None) => "fill",
    }
}

/// Returns what a break reports, as a sentence without an end.
pub fn report(reported: &Break) -> String {
    let Break { quantity, price, venue, .. } = reported;
    let (quantity, price) = (quantity.to_plain_string(), price.to_plain_string());
    let of = |id: &Option<String>| id.as_ref().map(|id| format!(" {id}")).unwrap_or_default();
    let id = reported.execution_id.as_ref().map(|id| format!(", execution id {id}"));
    let id = id.unwrap_or_default();
    let what = match kind(reported) {
        "totals" if reported.price.is_zero() => format!("totals: {quantity} shares filled"),
        "totals" => format!("totals: {quantity} shares filled at an average of {price}"),
        "order" => "an order that cannot be stored".to_owned(),
        "action" => "an action other than an execution".to_owned(),
        "bust" => format!("a bust of execution{}", of(&reported.refers_to)),
        "correction" => format!(
            "a correction of execution{} to {quantity} shares at {price}",
            of(&reported.refers_to)
        ),
        _ => format!("a fill of {quantity} shares at {price}"),
    };
    format!("{what}, reported by {venue}{id}, for {}", full_time(reported.timestamp))
}

/// Returns why the report of a break was not applied.
pub fn why(reason: BreakReason) -> &'static str {
    match reason {
        BreakReason::UnknownOrder => "the order that it names is not stored, or it names none",
        BreakReason::UnknownFill => "the fill that it amends is not stored for this order chain",
        BreakReason::OverFill => "it has more shares than the order has left",
        BreakReason::OrderEnded => "the order was already rejected or cancelled",
        BreakReason::Precision => "its price or commission has more decimal places than are stored",
        BreakReason::Mismatch => "an execution with this id and other content is stored",
        BreakReason::Invalid => "it is malformed: its quantity, its price, or what it amends",
        BreakReason::Totals => "the venue's totals of the order differ from those stored",
        BreakReason::InvalidOrder => "the store does not keep such an order",
        BreakReason::UnappliedAction => "the action does not fit the order as it is stored",
    }
}

/// Returns what to do about a break.
pub fn advice(reason: BreakReason) -> &'static str {
    match reason {
        BreakReason::UnknownOrder => {
            "ingest the order: the break is then applied by itself; or book it to the order that it is for"
        }
        BreakReason::UnknownFill => {
            "ingest the fill: the break is then applied by itself; or dismiss it"
        }
        BreakReason::OverFill => {
            "ask the venue: book it to the order that it is for, or dismiss it if it did not happen"
        }
        BreakReason::OrderEnded => {
            "ask the venue: book it if it happened, dismiss it if it did not"
        }
        BreakReason::Precision => {
            "widen the columns with `blotter widen`, then `blotter breaks retry`"
        }
        BreakReason::Mismatch => {
            "compare it with the stored execution: dismiss it, or have the venue correct it"
        }
        BreakReason::Invalid => "ask the venue for the right report, and dismiss this one",
        BreakReason::Totals => {
            "look for the fills that are missing or too many; it is resolved when the totals agree"
        }
        BreakReason::InvalidOrder | BreakReason::UnappliedAction => {
            "record what is missing, and dismiss it"
        }
    }
}
