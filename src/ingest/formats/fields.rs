//! The fields of an event by name, as NDJSON and CSV have them.
//!
//! The list is not derived with serde and `deny_unknown_fields`: the two formats need the names in a fixed
//! order (the CSV header), each error with the field that it is about, values that borrow from the input,
//! and text in place of JSON numbers; and in CSV an empty value means that the field is left out.

use std::borrow::Cow;
use std::fmt::Display;
use std::str::FromStr;

use chrono::{DateTime, NaiveDate, NaiveDateTime, SecondsFormat, Timelike, Utc};

use super::fix::LEAP_NANOSECONDS;
use super::object::Object;
use crate::ingest::event::{Event, Kind, Number};
use crate::types::instructions::Instructions;
use crate::types::years;

/// Generates the list of names and the functions that set and get a field, from one list. `kind` and `raw`
/// are always there, and come first and last.
macro_rules! fields {
    ($($name:ident: $parse:ident $format:ident),* $(,)?) => {
        /// The names of the fields, in the order in which they are written.
        pub(super) const FIELDS: &[&str] = &["kind", $(stringify!($name),)* "raw"];

        /// Sets a field to the value of its text.
        ///
        /// # Errors
        ///
        /// What is wrong with the text, and what is expected; or that there is no such field.
        pub(super) fn set<'a>(
            event: &mut Event<'a>,
            field: &str,
            text: Cow<'a, str>,
        ) -> Result<(), String> {
            if field == "kind" {
                event.kind = parse_kind(&text)?;
                return Ok(());
            }
            $(if field == stringify!($name) {
                event.$name = Some($parse(text)?);
                return Ok(());
            })*
            if field == "raw" {
                event.raw = text;
                return Ok(());
            }
            Err(not_a_field())
        }

        /// Returns the value of a field as text; none if the event does not have it.
        pub(super) fn get<'e>(event: &'e Event<'_>, field: &str) -> Option<Cow<'e, str>> {
            if field == "kind" {
                return Some(kind_name(event.kind).into());
            }
            $(if field == stringify!($name) {
                return event.$name.as_ref().map($format);
            })*
            Some(event.raw.as_ref()).filter(|raw| field == "raw" && !raw.is_empty()).map(Into::into)
        }
    };
}

fields! {
    at: parse_time format_time,
    sent_at: parse_time format_time,
    sequence: parse_value format_value,
    trader: parse_text format_text,
    trader_name: parse_text format_text,
    account: parse_text format_text,
    client_order_id: parse_text format_text,
    original_client_order_id: parse_text format_text,
    trading_day: parse_day format_value,
    venue_order_id: parse_text format_text,
    replaces_venue_order_id: parse_text format_text,
    symbol: parse_text format_text,
    side: parse_value format_value,
    order_type: parse_value format_value,
    time_in_force: parse_value format_value,
    quantity: parse_number format_number,
    price: parse_number format_number,
    limit_price: parse_number format_number,
    stop_loss: parse_number format_number,
    take_profit: parse_number format_number,
    expires_at: parse_time format_time,
    received_at: parse_time format_time,
    instructions: parse_instructions format_value,
    execution_id: parse_text format_text,
    refers_to: parse_text format_text,
    venue: parse_text format_text,
    source: parse_text format_text,
    last_quantity: parse_number format_number,
    last_price: parse_number format_number,
    commission: parse_number format_number,
    rebate: parse_number format_number,
    currency: parse_text format_text,
    status: parse_value format_value,
    cumulative_quantity: parse_number format_number,
    average_price: parse_number format_number,
    reason: parse_text format_text,
    error_code: parse_text format_text,
    retry_attempt: parse_value format_value,
    id: parse_value format_value,
    order_id: parse_value format_value,
    replaces: parse_value format_value,
    break_id: parse_value format_value,
    break_reason: parse_value format_value,
    is_bust: parse_value format_value,
}

/// What is wrong with a name that no field has.
pub(super) fn not_a_field() -> String {
    format!("is not a field of an event; expected one of {}", FIELDS.join(", "))
}

fn kind_name(kind: Kind) -> &'static str {
    let found = Kind::NAMES.iter().find(|(named, _)| *named == kind);
    found.map_or("status", |(_, name)| name)
}

pub(super) fn parse_kind(text: &str) -> Result<Kind, String> {
    let found = Kind::NAMES.iter().find(|(_, name)| name.eq_ignore_ascii_case(text.trim()));
    found.map(|(kind, _)| *kind).ok_or_else(|| {
        let names: Vec<_> = Kind::NAMES.iter().map(|(_, name)| *name).collect();
        format!("is {text:?}; expected one of {}", names.join(", "))
    })
}

fn parse_text(text: Cow<'_, str>) -> Result<Cow<'_, str>, String> {
    Ok(text)
}

fn format_text(text: &impl AsRef<str>) -> Cow<'_, str> {
    text.as_ref().into()
}

fn parse_number(text: Cow<'_, str>) -> Result<Number<'_>, String> {
    let number = match &text {
        // Spreadsheets put a plus sign before a number.
        Cow::Borrowed(text) => {
            let text = text.trim();
            Number::new(
                text.strip_prefix('+').filter(|rest| !rest.starts_with('-')).unwrap_or(text),
            )
        }
        // The text has escapes, which no number needs.
        Cow::Owned(_) => None,
    };
    number.ok_or_else(|| {
        let max = Number::MAX_LENGTH;
        let commas = match text.contains(',') {
            true => ", without thousands separators or a decimal comma",
            false => "",
        };
        format!("is {text:?}; expected a decimal of up to {max} characters, such as 10.50{commas}")
    })
}

fn format_number<'e>(number: &Number<'e>) -> Cow<'e, str> {
    number.as_str().into()
}

/// The expected form of a time, for error messages.
pub(super) const EXPECTED_TIME: &str =
    "a time such as 2026-11-25T14:30:00.123Z, of the years 1 to 9999 in UTC";

fn parse_time(text: Cow<'_, str>) -> Result<DateTime<Utc>, String> {
    parse_rfc3339(text.trim()).ok_or_else(|| {
        let has_no_offset = ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f"]
            .iter()
            .any(|form| NaiveDateTime::parse_from_str(text.trim(), form).is_ok());
        let offset = if has_no_offset { ", which has no offset from UTC" } else { "" };
        format!("is {text:?}{offset}; expected {EXPECTED_TIME}")
    })
}

/// Parses a time of [`YEARS`](years::YEARS) as RFC 3339 has it; a space may stand for the `T`.
///
/// PostgreSQL has no leap seconds, so a leap second (`:60`) becomes the last microsecond of its minute, as in
/// FIX: it stays on its day and after everything before it.
pub(super) fn parse_rfc3339(text: &str) -> Option<DateTime<Utc>> {
    let time = DateTime::parse_from_rfc3339(text).ok()?.to_utc();
    // chrono counts the nanoseconds of a leap second on from those of the second before.
    let time = if time.nanosecond() >= 1_000_000_000 {
        time.with_nanosecond(LEAP_NANOSECONDS)?
    } else {
        time
    };
    Some(time).filter(|time| years::has_time(*time))
}

fn format_time<'e>(time: &DateTime<Utc>) -> Cow<'e, str> {
    time.to_rfc3339_opts(SecondsFormat::AutoSi, true).into()
}

fn parse_day(text: Cow<'_, str>) -> Result<NaiveDate, String> {
    let day = text.trim().parse().ok().filter(|day| years::has_day(*day));
    day.ok_or_else(|| {
        format!("is {text:?}; expected a day such as 2026-11-25, of the years 1 to 9999")
    })
}

fn parse_instructions(text: Cow<'_, str>) -> Result<Instructions, String> {
    match serde_json::from_str::<Object<'_>>(&text) {
        Ok(object) => object.instructions(),
        Err(error) => Err(format!(
            "is not a JSON object with text values, such as {{\"110\":\"200\"}}: {error}"
        )),
    }
}

fn parse_value<T: FromStr<Err: Display>>(text: Cow<'_, str>) -> Result<T, String> {
    let trimmed = text.trim();
    // The names of sides, types and the like are upper case; people write `buy` too.
    let value =
        trimmed.parse().or_else(|error| trimmed.to_ascii_uppercase().parse().map_err(|_| error));
    value.map_err(|error: T::Err| format!("is {text:?}: {error}"))
}

fn format_value<'e>(value: &impl Display) -> Cow<'e, str> {
    value.to_string().into()
}
