//! Trade updates and account activities of the broker Alpaca, as JSON.

use std::borrow::Cow;

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::reader::{Format, Malformed};
use crate::ingest::event::{Event, Kind, Number};
use crate::types::enums::{OrderStatus, OrderType, Side};

/// Reads Alpaca's JSON: messages of the stream `trade_updates`, trade events of the broker API, and the
/// fills among account activities; one object per line, or arrays of them. All other objects are skipped.
///
/// | `event` | [`Kind`] |
/// |---|---|
/// | `new`, `accepted` | [`Acknowledged`](Kind::Acknowledged) |
/// | `fill`, `partial_fill`, an activity of type `FILL` | [`Fill`](Kind::Fill) |
/// | `trade_bust`, `trade_correct` | [`Bust`](Kind::Bust) or [`Correct`](Kind::Correct), of `previous_execution_id` |
/// | `canceled` | [`Cancelled`](Kind::Cancelled) |
/// | `replaced` | [`Cancelled`](Kind::Cancelled), with the id of the new order in the reason: Alpaca reports the new order separately |
/// | `expired`, `rejected` | [`Expired`](Kind::Expired), [`Rejected`](Kind::Rejected) |
/// | `order_cancel_rejected`, `order_replace_rejected` | [`CancelRejected`](Kind::CancelRejected) |
/// | all others | [`Status`](Kind::Status) |
///
/// The order's `id` is the venue's id of the order, and `account_id` is the trader. An activity does not have
/// the type of its order, so it can only fill an order that is known. Numbers, quoted or not, are read as
/// text and never as floats. An object that can't be read is [`Malformed`], and the next one is read.
#[derive(Clone, Copy, Debug, Default)]
pub struct Alpaca;

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow)]
    data: Option<&'a RawValue>,
}

/// A trade update, or an activity.
#[derive(Deserialize)]
struct Update<'a> {
    event: Option<Cow<'a, str>>,
    activity_type: Option<Cow<'a, str>>,
    account_id: Option<Cow<'a, str>>,
    execution_id: Option<Cow<'a, str>>,
    previous_execution_id: Option<Cow<'a, str>>,
    id: Option<Cow<'a, str>>,
    order_id: Option<Cow<'a, str>>,
    symbol: Option<Cow<'a, str>>,
    side: Option<Cow<'a, str>>,
    timestamp: Option<Cow<'a, str>>,
    transaction_time: Option<Cow<'a, str>>,
    #[serde(borrow)]
    price: Option<&'a RawValue>,
    #[serde(borrow)]
    qty: Option<&'a RawValue>,
    #[serde(borrow)]
    cum_qty: Option<&'a RawValue>,
    #[serde(borrow)]
    order: Option<Order<'a>>,
}

#[derive(Deserialize)]
struct Order<'a> {
    id: Option<Cow<'a, str>>,
    client_order_id: Option<Cow<'a, str>>,
    symbol: Option<Cow<'a, str>>,
    side: Option<Cow<'a, str>>,
    #[serde(rename = "type")]
    kind: Option<Cow<'a, str>>,
    status: Option<Cow<'a, str>>,
    expires_at: Option<Cow<'a, str>>,
    time_in_force: Option<Cow<'a, str>>,
    replaced_by: Option<Cow<'a, str>>,
    #[serde(borrow)]
    qty: Option<&'a RawValue>,
    #[serde(borrow)]
    limit_price: Option<&'a RawValue>,
    #[serde(borrow)]
    stop_price: Option<&'a RawValue>,
    #[serde(borrow)]
    filled_qty: Option<&'a RawValue>,
    #[serde(borrow)]
    filled_avg_price: Option<&'a RawValue>,
}

/// The field that is wrong, and what is wrong with it.
type Wrong = (&'static str, String);

impl Format for Alpaca {
    fn cut(&self, bytes: &[u8], at_end: bool) -> Option<usize> {
        let between = |byte: &u8| byte.is_ascii_whitespace() || b"[],".contains(byte);
        let Some(begin) = bytes.iter().position(|byte| !between(byte)) else {
            return at_end.then_some(bytes.len());
        };
        let rest = &bytes[begin..];
        let end = if rest.first() == Some(&b'{') {
            object(rest)
        } else {
            rest.iter().position(|byte| *byte == b'\n').map(|end| end + 1)
        };
        end.map(|end| begin + end).or(at_end.then_some(bytes.len()))
    }

    fn read<'a>(&mut self, unit: &'a [u8], line: u64) -> Result<Option<Event<'a>>, Malformed> {
        // The line is that of the object, and not of what separates it from the one before.
        let between = |byte: &u8| byte.is_ascii_whitespace() || b"[],".contains(byte);
        let begin = unit.iter().position(|byte| !between(byte)).unwrap_or(unit.len());
        let line = line + unit[..begin].iter().filter(|byte| **byte == b'\n').count() as u64;
        let malformed = |field: Option<String>, why: String| Malformed { line, field, why };
        let text = std::str::from_utf8(&unit[begin..])
            .map_err(|_| malformed(None, "is not UTF-8".to_owned()))?
            .trim_end();
        if text.is_empty() {
            return Ok(None);
        }
        let broken = |error: serde_json::Error| {
            malformed(None, format!("is not a message of Alpaca: {error}"))
        };
        let message: Message<'_> = serde_json::from_str(text).map_err(broken)?;
        let inner = message.data.map_or(text, RawValue::get);
        let update: Update<'_> = serde_json::from_str(inner).map_err(broken)?;
        let event = event(update, line, text);
        event.map_err(|(field, why)| malformed(Some(field.to_owned()), why))
    }
}

/// Where the object ends that these bytes begin with. A broken object ends before the next line that begins
/// with `{`, so that it does not swallow the objects after it.
fn object(bytes: &[u8]) -> Option<usize> {
    let (mut depth, mut is_text, mut is_escaped) = (0_u32, false, false);
    for (place, byte) in bytes.iter().enumerate() {
        match byte {
            b'{' if place > 0 && bytes[place - 1] == b'\n' => return Some(place),
            _ if is_escaped => is_escaped = false,
            b'\\' if is_text => is_escaped = true,
            b'"' => is_text = !is_text,
            b'{' if !is_text => depth += 1,
            b'}' if !is_text => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return Some(place + 1);
                }
            }
            _ => {}
        }
    }
    None
}

fn event<'a>(update: Update<'a>, line: u64, raw: &'a str) -> Result<Option<Event<'a>>, Wrong> {
    let kind = match (update.event.as_deref(), update.activity_type.as_deref()) {
        (Some("fill" | "partial_fill"), _) | (None, Some("FILL")) => Kind::Fill,
        (Some("new" | "accepted"), _) => Kind::Acknowledged,
        (Some("trade_bust"), _) => Kind::Bust,
        (Some("trade_correct"), _) => Kind::Correct,
        (Some("canceled" | "replaced"), _) => Kind::Cancelled,
        (Some("expired"), _) => Kind::Expired,
        (Some("rejected"), _) => Kind::Rejected,
        (Some("order_cancel_rejected" | "order_replace_rejected"), _) => Kind::CancelRejected,
        (Some(_), _) => Kind::Status,
        // An activity of another type, or an acknowledgement of the stream itself.
        (None, _) => return Ok(None),
    };
    let is_activity = update.event.is_none();
    let at = update.timestamp.or(update.transaction_time);
    let executes = matches!(kind, Kind::Fill | Kind::Bust | Kind::Correct);
    let mut event = Event {
        trader: update.account_id,
        at: at.map(|at| time(&at, "timestamp")).transpose()?,
        execution_id: update.execution_id.or(update.id.filter(|_| is_activity)),
        refers_to: update.previous_execution_id.filter(|_| kind != Kind::Fill),
        venue_order_id: update.order_id,
        symbol: update.symbol,
        side: update.side.as_deref().map(side).transpose()?,
        cumulative_quantity: number(update.cum_qty, "cum_qty")?,
        ..Event::new(kind, line, raw)
    };
    if executes {
        event.last_quantity = number(update.qty, "qty")?;
        event.last_price = number(update.price, "price")?;
    }
    if let Some(order) = update.order {
        set_order(&mut event, order)?;
    }
    Ok(Some(event))
}

/// Sets the fields that are about the order.
fn set_order<'a>(event: &mut Event<'a>, order: Order<'a>) -> Result<(), Wrong> {
    event.venue_order_id = order.id;
    event.client_order_id = order.client_order_id;
    event.symbol = order.symbol;
    event.side = order.side.as_deref().map(side).transpose()?;
    (event.order_type, event.price) = match order.kind.as_deref() {
        Some("market") => (Some(OrderType::Market), None),
        Some("limit") => (Some(OrderType::Limit), number(order.limit_price, "limit_price")?),
        Some("stop" | "stop_limit") => {
            (Some(OrderType::Stop), number(order.stop_price, "stop_price")?)
        }
        _ => (None, None),
    };
    if order.kind.as_deref() == Some("stop_limit") {
        event.limit_price = number(order.limit_price, "limit_price")?;
    }
    event.time_in_force = order.time_in_force.and_then(|text| text.to_uppercase().parse().ok());
    event.quantity = number(order.qty, "qty of the order")?;
    event.cumulative_quantity = number(order.filled_qty, "filled_qty")?;
    event.average_price = number(order.filled_avg_price, "filled_avg_price")?;
    event.expires_at = order.expires_at.map(|at| time(&at, "expires_at")).transpose()?;
    event.status = match order.status.as_deref() {
        Some("new" | "accepted" | "pending_new" | "held") => Some(OrderStatus::Pending),
        Some("partially_filled") => Some(OrderStatus::Partial),
        Some("filled") => Some(OrderStatus::Filled),
        Some("canceled" | "expired" | "replaced") => Some(OrderStatus::Cancelled),
        Some("rejected") => Some(OrderStatus::Rejected),
        _ => None,
    };
    if let Some(by) = order.replaced_by.filter(|_| event.kind == Kind::Cancelled) {
        event.reason = Some(format!("replaced by the venue's order {by}").into());
    }
    Ok(())
}

/// A number, as a JSON string or a JSON number.
fn number<'a>(raw: Option<&'a RawValue>, field: &'static str) -> Result<Option<Number<'a>>, Wrong> {
    let Some(text) = raw.map(RawValue::get).filter(|text| *text != "null") else {
        return Ok(None);
    };
    let bare = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text);
    let why = || (field, format!("is {text}; expected a plain decimal such as 10.50"));
    Number::new(bare).map(Some).ok_or_else(why)
}

fn time(text: &str, field: &'static str) -> Result<DateTime<Utc>, Wrong> {
    let why = |_| (field, format!("is {text:?}; expected a time such as 2026-11-25T14:30:00Z"));
    DateTime::parse_from_rfc3339(text).map(|time| time.to_utc()).map_err(why)
}

fn side(text: &str) -> Result<Side, Wrong> {
    match text {
        "buy" => Ok(Side::Buy),
        "sell" => Ok(Side::Sell),
        "sell_short" => Ok(Side::SellShort),
        _ => Err(("side", format!("is {text:?}; expected buy, sell or sell_short"))),
    }
}
