//! The fields of an event by name, as the formats have them that are the store's own.

use std::borrow::Cow;
use std::fmt::Display;
use std::str::FromStr;

use chrono::{DateTime, SecondsFormat, Utc};

use crate::ingest::event::{Event, Kind, Number};

/// The names, in the order in which they are written.
pub(super) const FIELDS: [&str; 32] = [
    "kind",
    "at",
    "trader",
    "trader_name",
    "client_order_id",
    "original_client_order_id",
    "venue_order_id",
    "symbol",
    "side",
    "order_type",
    "quantity",
    "price",
    "stop_loss",
    "take_profit",
    "expires_at",
    "execution_id",
    "refers_to",
    "venue",
    "last_quantity",
    "last_price",
    "commission",
    "currency",
    "status",
    "cumulative_quantity",
    "average_price",
    "reason",
    "error_code",
    "retry_attempt",
    "id",
    "order_id",
    "replaces",
    "raw",
];

/// Sets a field to what its text says.
pub(super) fn set<'a>(
    event: &mut Event<'a>,
    field: &str,
    text: Cow<'a, str>,
) -> Result<(), String> {
    match field {
        "kind" => event.kind = kind(&text)?,
        "raw" => event.raw = text,
        "trader" => event.trader = Some(text),
        "trader_name" => event.trader_name = Some(text),
        "client_order_id" => event.client_order_id = Some(text),
        "original_client_order_id" => event.original_client_order_id = Some(text),
        "venue_order_id" => event.venue_order_id = Some(text),
        "symbol" => event.symbol = Some(text),
        "execution_id" => event.execution_id = Some(text),
        "refers_to" => event.refers_to = Some(text),
        "venue" => event.venue = Some(text),
        "currency" => event.currency = Some(text),
        "reason" => event.reason = Some(text),
        "error_code" => event.error_code = Some(text),
        "quantity" => event.quantity = Some(number(text)?),
        "price" => event.price = Some(number(text)?),
        "stop_loss" => event.stop_loss = Some(number(text)?),
        "take_profit" => event.take_profit = Some(number(text)?),
        "last_quantity" => event.last_quantity = Some(number(text)?),
        "last_price" => event.last_price = Some(number(text)?),
        "commission" => event.commission = Some(number(text)?),
        "cumulative_quantity" => event.cumulative_quantity = Some(number(text)?),
        "average_price" => event.average_price = Some(number(text)?),
        "at" => event.at = Some(time(&text)?),
        "expires_at" => event.expires_at = Some(time(&text)?),
        "side" => event.side = Some(parsed(&text)?),
        "order_type" => event.order_type = Some(parsed(&text)?),
        "status" => event.status = Some(parsed(&text)?),
        "id" => event.id = Some(parsed(&text)?),
        "order_id" => event.order_id = Some(parsed(&text)?),
        "replaces" => event.replaces = Some(parsed(&text)?),
        "retry_attempt" => event.retry_attempt = Some(parsed(&text)?),
        _ => return Err(format!("is no field of an event; those are {}", FIELDS.join(", "))),
    }
    Ok(())
}

/// What a field says, as text; none if it is left out.
pub(super) fn get<'e>(event: &'e Event<'_>, field: &str) -> Option<Cow<'e, str>> {
    match field {
        "kind" => Some(name(event.kind).into()),
        "raw" => Some(event.raw.as_ref().into()).filter(|raw: &Cow<'_, str>| !raw.is_empty()),
        "trader" => event.trader.as_deref().map(Cow::from),
        "trader_name" => event.trader_name.as_deref().map(Cow::from),
        "client_order_id" => event.client_order_id.as_deref().map(Cow::from),
        "original_client_order_id" => event.original_client_order_id.as_deref().map(Cow::from),
        "venue_order_id" => event.venue_order_id.as_deref().map(Cow::from),
        "symbol" => event.symbol.as_deref().map(Cow::from),
        "execution_id" => event.execution_id.as_deref().map(Cow::from),
        "refers_to" => event.refers_to.as_deref().map(Cow::from),
        "venue" => event.venue.as_deref().map(Cow::from),
        "currency" => event.currency.as_deref().map(Cow::from),
        "reason" => event.reason.as_deref().map(Cow::from),
        "error_code" => event.error_code.as_deref().map(Cow::from),
        "quantity" => event.quantity.map(|number| number.as_str().into()),
        "price" => event.price.map(|number| number.as_str().into()),
        "stop_loss" => event.stop_loss.map(|number| number.as_str().into()),
        "take_profit" => event.take_profit.map(|number| number.as_str().into()),
        "last_quantity" => event.last_quantity.map(|number| number.as_str().into()),
        "last_price" => event.last_price.map(|number| number.as_str().into()),
        "commission" => event.commission.map(|number| number.as_str().into()),
        "cumulative_quantity" => event.cumulative_quantity.map(|number| number.as_str().into()),
        "average_price" => event.average_price.map(|number| number.as_str().into()),
        "at" => event.at.map(told),
        "expires_at" => event.expires_at.map(told),
        "side" => event.side.map(shown),
        "order_type" => event.order_type.map(shown),
        "status" => event.status.map(shown),
        "id" => event.id.map(shown),
        "order_id" => event.order_id.map(shown),
        "replaces" => event.replaces.map(shown),
        "retry_attempt" => event.retry_attempt.map(shown),
        _ => None,
    }
}

fn name(kind: Kind) -> &'static str {
    let named = Kind::NAMES.iter().find(|(named, _)| *named == kind);
    named.map_or("status", |(_, name)| name)
}

fn kind(text: &str) -> Result<Kind, String> {
    let named = Kind::NAMES.iter().find(|(_, name)| *name == text);
    named.map(|(kind, _)| *kind).ok_or_else(|| {
        let names: Vec<_> = Kind::NAMES.iter().map(|(_, name)| *name).collect();
        format!("is {text:?}, and must be one of {}", names.join(", "))
    })
}

fn number(text: Cow<'_, str>) -> Result<Number<'_>, String> {
    let number = match &text {
        Cow::Borrowed(text) => Number::new(text),
        // With escapes in it, which no number needs.
        Cow::Owned(_) => None,
    };
    number.ok_or_else(|| format!("is {text:?}, and must be a plain decimal such as 10.50"))
}

fn time(text: &str) -> Result<DateTime<Utc>, String> {
    match DateTime::parse_from_rfc3339(text) {
        Ok(time) => Ok(time.to_utc()),
        Err(_) => Err(format!("is {text:?}, and must be a time such as 2026-11-25T14:30:00.123Z")),
    }
}

fn told<'e>(time: DateTime<Utc>) -> Cow<'e, str> {
    time.to_rfc3339_opts(SecondsFormat::AutoSi, true).into()
}

fn parsed<T: FromStr<Err: Display>>(text: &str) -> Result<T, String> {
    text.parse().map_err(|why| format!("is {text:?}: {why}"))
}

fn shown<'e>(value: impl Display) -> Cow<'e, str> {
    value.to_string().into()
}
