//! Trade updates and account activities of the broker Alpaca, as JSON.

use std::borrow::Cow;

use encoding_rs::Encoding;
use memchr::memchr;

use super::defects::{self, Unreadable};
use super::fields::{EXPECTED_TIME, parse_rfc3339};
use super::object::{RawObject, Value, is_remnant, object_start, values_of_key};
use super::reader::{Format, Malformed};
use super::text::{NOT_UTF_8, keep};
use crate::ingest::event::{Event, Kind, Number};
use crate::types::enums::{OrderStatus, OrderType, Side};

/// Reads Alpaca's JSON: messages of the stream `trade_updates`, trade events of the broker API, and the
/// fills among account activities; one object per line, or arrays of them. All other objects are skipped, and
/// so is text before and after an object, as logs have it.
///
/// | `event` | [`Kind`] |
/// |---|---|
/// | `new`, `accepted` | [`Acknowledged`](Kind::Acknowledged) |
/// | `new` of an order that `replaces` another one | [`Replaced`](Kind::Replaced), of [`Event::replaces_venue_order_id`] |
/// | `pending_new`; `accepted` of an order that replaces another one | [`PendingNew`](Kind::PendingNew) |
/// | `fill`, `partial_fill`, an activity of type `FILL` | [`Fill`](Kind::Fill) |
/// | `trade_bust`, `trade_correct` | [`Bust`](Kind::Bust) or [`Correct`](Kind::Correct), of `previous_execution_id` |
/// | `canceled` | [`Cancelled`](Kind::Cancelled) |
/// | `replaced` | [`Status`](Kind::Status): the report of the order in `replaced_by` ends the old one |
/// | `expired`, `rejected` | [`Expired`](Kind::Expired), [`Rejected`](Kind::Rejected) |
/// | `order_cancel_rejected`, `order_replace_rejected` | [`CancelRejected`](Kind::CancelRejected) |
/// | all others | [`Status`](Kind::Status) |
///
/// The order's `id` is the venue's id of the order, and `account_id` is the trader. An activity does not have
/// the type of its order, so it can only fill an order that is known. The part of its id behind `::` is the
/// execution id of the trade update of the same fill. Numbers, quoted or not, are read as text and never as
/// floats.
///
/// A field of a trade event that can't be read becomes its [`defect`](Event::defect), or its
/// [`note`](Event::note) if it can be applied without the field. A broken object of a trade event or of a fill among
/// activities becomes an event of its kind, with a defect and no other field. Other broken JSON is [`Malformed`], and
/// the next object is read.
#[derive(Clone, Copy, Debug, Default)]
pub struct Alpaca {
    pub(super) encoding: Option<&'static Encoding>,
}

impl Format for Alpaca {
    fn cut(&self, bytes: &[u8], at_end: bool) -> Option<usize> {
        let Some(begin) = bytes.iter().position(|byte| !is_between(*byte)) else {
            return at_end.then_some(bytes.len());
        };
        let rest = &bytes[begin..];
        if rest.first() == Some(&b'{') {
            return Some(begin + object_end(rest, at_end)?);
        }
        let line = memchr(b'\n', rest).map(|end| end + 1).or(at_end.then_some(rest.len()))?;
        match object_start(&rest[..line]) {
            None => Some(begin + line),
            Some(start) => Some(begin + start + object_end(&rest[start..], at_end)?),
        }
    }

    fn read<'a>(&mut self, unit: &'a [u8], line: u64) -> Result<Option<Event<'a>>, Malformed> {
        // The line is that of the object, and not of what separates it from the one before.
        let begin = unit.iter().position(|byte| !is_between(*byte)).unwrap_or(unit.len());
        let line = line + unit[..begin].iter().filter(|byte| **byte == b'\n').count() as u64;
        let unit = unit[begin..].trim_ascii_end();
        let Some(start) = object_start(unit) else {
            return match is_remnant(unit) {
                true => broken(unit, line, "is a part of a JSON object".to_owned()),
                false => Ok(None),
            };
        };
        let unit = &unit[start..];
        let read = match std::str::from_utf8(unit) {
            Ok(text) => read_object(text, line),
            Err(_) => not_utf_8(unit, line),
        };
        read.or_else(|why| broken(unit, line, why))
    }

    fn encoding(&self) -> Option<&'static Encoding> {
        self.encoding
    }
}

/// Whether a byte stands between objects.
fn is_between(byte: u8) -> bool {
    byte.is_ascii_whitespace() || b"[],".contains(&byte)
}

/// Returns where the object ends that these bytes begin with; none if it goes on beyond them. A broken object
/// ends before a line that no object continues with, so that it does not swallow the objects after it: with a
/// line that begins with `{`, or as lines of logs do.
pub(super) fn object_end(bytes: &[u8], at_end: bool) -> Option<usize> {
    let (mut depth, mut is_text, mut is_escaped) = (0_u32, false, false);
    for (place, byte) in bytes.iter().enumerate() {
        let begins_line = place > 0 && bytes[place - 1] == b'\n';
        match byte {
            _ if begins_line && !byte.is_ascii_whitespace() && !b"}]\",".contains(byte) => {
                return Some(place);
            }
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
    at_end.then_some(bytes.len())
}

/// Reads an object; none if it is no trade event.
fn read_object(text: &str, line: u64) -> Result<Option<Event<'_>>, String> {
    let broken = |error: serde_json::Error| format!("is not a message of Alpaca: {error}");
    let message: RawObject<'_> = serde_json::from_str(text).map_err(broken)?;
    let update = match message.get("data") {
        Some(data) if data.starts_with('{') => serde_json::from_str(data).map_err(broken)?,
        _ => message,
    };
    Ok(event(update, line, text))
}

/// Reads a broken object of a trade event, or of a fill among activities: its kind.
fn broken<'a>(unit: &'a [u8], line: u64, why: String) -> Result<Option<Event<'a>>, Malformed> {
    let events = values_of_key(unit, "event").filter_map(|name| kind(Some(name), None));
    let activities = values_of_key(unit, "activity_type").filter_map(|name| kind(None, Some(name)));
    match events.chain(activities).next() {
        Some(kind) => {
            Ok(Some(defects::unreadable(kind, line, keep(unit), format!("the object {why}"))))
        }
        None => Err(Malformed { line, field: None, why }),
    }
}

/// Reads an object that is not UTF-8 as far as it is text: its kind, and the texts that are whole.
fn not_utf_8(bytes: &[u8], line: u64) -> Result<Option<Event<'_>>, String> {
    let lossy = String::from_utf8_lossy(bytes);
    let Ok(event) = read_object(&lossy, line) else { return Err(NOT_UTF_8.to_owned()) };
    let whole = |text: Option<Cow<'_, str>>| {
        let text = text.filter(|text| !text.contains(char::REPLACEMENT_CHARACTER));
        text.map(|text| Cow::Owned(text.into_owned()))
    };
    Ok(event.map(|event| Event {
        trader: whole(event.trader),
        client_order_id: whole(event.client_order_id),
        venue_order_id: whole(event.venue_order_id),
        replaces_venue_order_id: whole(event.replaces_venue_order_id),
        execution_id: whole(event.execution_id),
        refers_to: whole(event.refers_to),
        symbol: whole(event.symbol),
        side: event.side,
        at: event.at,
        sent_at: event.sent_at,
        defect: Some(format!("the report {NOT_UTF_8}")),
        ..Event::new(event.kind, line, keep(bytes))
    }))
}

/// An object of Alpaca, and which of its fields can't be read.
struct Reading<'a, 'u> {
    object: RawObject<'a>,
    /// What precedes the names of the fields in messages.
    prefix: &'static str,
    unreadable: &'u mut Vec<Unreadable>,
}

impl<'a> Reading<'a, '_> {
    /// Records that the value of a field, which sets `sets` of the event, is not what is expected.
    fn refuse(&mut self, field: &str, sets: &str, found: &str, expected: &str) {
        let what = format!("{}{field} is {found}; expected {expected}", self.prefix);
        self.unreadable.push(Unreadable { field: sets.to_owned(), what });
    }

    /// A text that is not empty.
    fn text(&mut self, field: &str, sets: &str) -> Option<Cow<'a, str>> {
        let raw = self.object.get(field)?;
        match serde_json::from_str(raw) {
            Ok(Value::Text(text)) => Some(text).filter(|text| !text.is_empty()),
            _ => {
                self.refuse(field, sets, raw, "text");
                None
            }
        }
    }

    /// A number, as a JSON string or a JSON number.
    fn number(&mut self, field: &str, sets: &str) -> Option<Number<'a>> {
        let raw = self.object.get(field).filter(|raw| *raw != "\"\"")?;
        let bare = raw.strip_prefix('"').and_then(|raw| raw.strip_suffix('"')).unwrap_or(raw);
        let number = Number::new(bare);
        if number.is_none() {
            self.refuse(field, sets, raw, "a decimal such as 10.50");
        }
        number
    }

    fn time(&mut self, field: &str, sets: &str) -> Option<chrono::DateTime<chrono::Utc>> {
        let text = self.text(field, sets)?;
        let time = parse_rfc3339(&text);
        if time.is_none() {
            self.refuse(field, sets, &format!("{text:?}"), EXPECTED_TIME);
        }
        time
    }

    fn side(&mut self) -> Option<Side> {
        match self.text("side", "side")?.as_ref() {
            "buy" => Some(Side::Buy),
            "sell" => Some(Side::Sell),
            "sell_short" => Some(Side::SellShort),
            found => {
                let found = format!("{found:?}");
                self.refuse("side", "side", &found, "buy, sell or sell_short");
                None
            }
        }
    }
}

/// The kind of a trade event; none for an activity of another type, or an acknowledgement of the stream itself.
fn kind(event: Option<&str>, activity_type: Option<&str>) -> Option<Kind> {
    Some(match (event, activity_type) {
        (Some("fill" | "partial_fill"), _) | (None, Some("FILL")) => Kind::Fill,
        (Some("new" | "accepted"), _) => Kind::Acknowledged,
        (Some("pending_new"), _) => Kind::PendingNew,
        (Some("trade_bust"), _) => Kind::Bust,
        (Some("trade_correct"), _) => Kind::Correct,
        (Some("canceled"), _) => Kind::Cancelled,
        (Some("expired"), _) => Kind::Expired,
        (Some("rejected"), _) => Kind::Rejected,
        (Some("order_cancel_rejected" | "order_replace_rejected"), _) => Kind::CancelRejected,
        (Some(_), _) => Kind::Status,
        (None, _) => return None,
    })
}

fn event<'a>(update: RawObject<'a>, line: u64, raw: &'a str) -> Option<Event<'a>> {
    let mut unreadable = Vec::new();
    let repeated = update.repeated().map(str::to_owned);
    let mut update = Reading { object: update, prefix: "", unreadable: &mut unreadable };
    let name = update.text("event", "kind");
    let activity_type = update.text("activity_type", "kind");
    let kind = kind(name.as_deref(), activity_type.as_deref())?;
    let mut event = Event::new(kind, line, raw);
    event.trader = update.text("account_id", "trader");
    event.venue_order_id = update.text("order_id", "venue_order_id");
    event.symbol = update.text("symbol", "symbol");
    event.side = update.side();
    event.execution_id = update.text("execution_id", "execution_id");
    if kind != Kind::Fill {
        event.refers_to = update.text("previous_execution_id", "refers_to");
    }
    event.at = update.time("timestamp", "at");
    // When an event of the broker API was sent.
    event.sent_at = update.time("at", "sent_at");
    if name.is_none() {
        set_activity(&mut event, &mut update);
    }
    if kind.is_execution() {
        event.last_quantity = update.number("qty", "last_quantity");
        event.last_price = update.number("price", "last_price");
        let commission = update.number("commission", "commission");
        event.rebate = commission.and_then(|it| Number::new(it.as_str().strip_prefix('-')?));
        event.commission = commission.filter(|_| event.rebate.is_none());
    }
    let order = update.object.get("order").map(|order| (order, serde_json::from_str(order)));
    match order {
        Some((_, Ok(order))) => {
            let order: RawObject<'a> = order;
            if let Some(name) = order.repeated() {
                defects::append(&mut event.defect, format!("order.{name} occurs twice"));
            }
            let mut order =
                Reading { object: order, prefix: "order.", unreadable: &mut unreadable };
            set_order(&mut event, &mut order, name.as_deref());
        }
        Some((raw, Err(_))) => update.refuse("order", "order", raw, "an object"),
        None => {}
    }
    if let Some(name) = repeated {
        defects::append(&mut event.defect, format!("{name} occurs twice"));
    }
    defects::record(&mut event, unreadable, true);
    Some(event)
}

/// Sets the fields that only activities have.
fn set_activity<'a>(event: &mut Event<'a>, activity: &mut Reading<'a, '_>) {
    event.at = activity.time("transaction_time", "at");
    // `20260302144930176::` and the execution id.
    let id = activity.text("id", "execution_id");
    event.execution_id = event.execution_id.take().or(id.map(|id| match id {
        Cow::Borrowed(id) => id.split_once("::").map_or(id, |(_, id)| id).into(),
        Cow::Owned(id) => id.split_once("::").map_or(id.clone(), |(_, id)| id.to_owned()).into(),
    }));
    event.cumulative_quantity = activity.number("cum_qty", "cumulative_quantity");
    // Activities of one millisecond come in any sequence, mostly the latest first.
    let filled = event.cumulative_quantity.map(|filled| filled.as_str());
    event.sequence = filled.and_then(|filled| filled.parse().ok());
}

/// Sets the fields that are about the order.
fn set_order<'a>(event: &mut Event<'a>, order: &mut Reading<'a, '_>, name: Option<&str>) {
    event.venue_order_id = order.text("id", "venue_order_id");
    event.client_order_id = order.text("client_order_id", "client_order_id");
    event.symbol = order.text("symbol", "symbol");
    event.side = order.side();
    // The first name of the field was `order_type`.
    let order_type =
        order.text("type", "order_type").or_else(|| order.text("order_type", "order_type"));
    let limit = order.number("limit_price", "limit_price");
    (event.order_type, event.price) = match order_type.as_deref() {
        Some("market") => (Some(OrderType::Market), None),
        Some("limit") => (Some(OrderType::Limit), limit),
        Some("stop" | "stop_limit") => (Some(OrderType::Stop), order.number("stop_price", "price")),
        _ => (None, None),
    };
    event.limit_price = limit.filter(|_| order_type.as_deref() == Some("stop_limit"));
    let time_in_force = order.text("time_in_force", "time_in_force");
    event.time_in_force = time_in_force.and_then(|text| text.to_uppercase().parse().ok());
    event.quantity = order.number("qty", "quantity");
    event.cumulative_quantity = order.number("filled_qty", "cumulative_quantity");
    event.average_price = order.number("filled_avg_price", "average_price");
    event.expires_at = order.time("expires_at", "expires_at");
    event.status = match order.text("status", "status").as_deref() {
        Some("new" | "accepted" | "pending_new" | "held") => Some(OrderStatus::Pending),
        Some("partially_filled") => Some(OrderStatus::Partial),
        Some("filled") => Some(OrderStatus::Filled),
        Some("canceled" | "expired") => Some(OrderStatus::Cancelled),
        Some("rejected") => Some(OrderStatus::Rejected),
        _ => None,
    };
    set_replacement(event, order, name);
    let kept_type = order_type.filter(|_| event.order_type.is_none());
    set_instructions(event, order, kept_type.as_deref());
    let class = order.text("order_class", "instructions");
    let changes_order = !matches!(event.kind, Kind::Status | Kind::CancelRejected);
    if class.as_deref() == Some("mleg") && event.side.is_none() && changes_order {
        let why = "order.order_class is mleg: the order has no symbol and side of its own, and its legs are \
                   reported as orders";
        defects::append(&mut event.defect, why.to_owned());
    }
}

/// Sets the fields of an order that replaces another one, or is replaced.
///
/// Alpaca gives the new order ids of its own, and counts its shares from 0: its `qty` and `filled_qty` are those
/// of this order alone, and not of the chain (github.com/alpacahq/Alpaca-API, issue 165).
fn set_replacement<'a>(event: &mut Event<'a>, order: &mut Reading<'a, '_>, name: Option<&str>) {
    event.replaces_venue_order_id = order.text("replaces", "replaces_venue_order_id");
    if event.replaces_venue_order_id.is_some() {
        (event.cumulative_quantity, event.average_price) = (None, None);
        event.kind = match name {
            Some("new") => Kind::Replaced,
            // The venue has yet to accept it, and the old order goes on if it does not.
            Some("accepted") => Kind::PendingNew,
            _ => event.kind,
        };
    }
    if name == Some("replaced") {
        // A fill may be on its way that is not counted here.
        (event.cumulative_quantity, event.average_price) = (None, None);
        match order.text("replaced_by", "reason") {
            Some(by) => event.reason = Some(format!("replaced by the venue's order {by}").into()),
            None => event.kind = Kind::Cancelled,
        }
    }
}

/// Keeps further terms of the order, unless they have their usual values, and a type that the store does not have.
fn set_instructions(event: &mut Event<'_>, order: &mut Reading<'_, '_>, order_type: Option<&str>) {
    const USUAL: [(&str, &[&str]); 6] = [
        ("asset_class", &["us_equity"]),
        ("order_class", &["simple"]),
        ("extended_hours", &["false"]),
        ("notional", &[]),
        ("trail_price", &[]),
        ("trail_percent", &[]),
    ];
    let mut further: Vec<_> = order_type.map(|found| ("type", found)).into_iter().collect();
    for (field, usual) in USUAL {
        let Some(raw) = order.object.get(field) else { continue };
        let text = raw.trim_matches('"');
        if !text.is_empty() && !usual.contains(&text) {
            further.push((field, text));
        }
    }
    event.instructions = (!further.is_empty()).then(|| further.into_iter().collect());
}
