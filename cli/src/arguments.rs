//! Values on the command line.

use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use clap::builder::{PossibleValuesParser, TypedValueParser};
use tradeblotter::OrderStatus;
use tradeblotter::ingest::FormatName;
use tradeblotter::report;

/// A moment: RFC 3339, or a day for its first instant in UTC.
pub fn moment(text: &str) -> Result<DateTime<Utc>, String> {
    if let Ok(day) = text.parse::<NaiveDate>() {
        return Ok(day.and_time(NaiveTime::MIN).and_utc());
    }
    DateTime::parse_from_rfc3339(text)
        .map(|moment| moment.to_utc())
        .map_err(|_| "is neither a day (2026-11-22) nor a moment (2026-11-22T09:30:00Z)".to_owned())
}

/// A status by its label, in capitals or not; the help lists them.
pub fn status() -> impl TypedValueParser<Value = OrderStatus> {
    let labels = OrderStatus::ALL.iter().map(|status| status.label());
    PossibleValuesParser::new(labels).try_map(|label| label.to_uppercase().parse::<OrderStatus>())
}

/// A format of reports by its name; the help lists them.
pub fn format() -> impl TypedValueParser<Value = FormatName> {
    let names = FormatName::ALL.iter().map(|format| format.label());
    PossibleValuesParser::new(names).try_map(|name| name.parse::<FormatName>())
}

/// A venue by its name, of 1 to 50 characters.
pub fn venue(text: &str) -> Result<String, String> {
    match text.trim().is_empty() || text.chars().count() > 50 {
        true => Err("must be 1 to 50 characters, and not blank".to_owned()),
        false => Ok(text.to_owned()),
    }
}

/// What a report is written as, by its name; the help lists them.
pub fn report_format() -> impl TypedValueParser<Value = report::Format> {
    let names = report::Format::ALL.iter().map(|format| format.label());
    PossibleValuesParser::new(names).try_map(|name| name.parse::<report::Format>())
}
