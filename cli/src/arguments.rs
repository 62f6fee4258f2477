//! Parsers for the values of options.

use chrono::{DateTime, Datelike, NaiveDate, NaiveTime, Utc};
use chrono_tz::Tz;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use tradeblotter::ingest::{Encoding, FormatName};
use tradeblotter::report;
use tradeblotter::{OrderStatus, TimeInForce, YEARS};

/// Parses a time: RFC 3339, or a day for its midnight UTC.
pub fn moment(text: &str) -> Result<DateTime<Utc>, String> {
    let moment = match text.parse::<NaiveDate>() {
        Ok(day) => Some(day.and_time(NaiveTime::MIN).and_utc()),
        Err(_) => DateTime::parse_from_rfc3339(text).ok().map(|moment| moment.to_utc()),
    };
    moment.filter(|moment| YEARS.contains(&moment.year())).ok_or_else(|| {
        "must be RFC 3339 (2026-11-24T09:30:00Z) or a day (2026-11-24, for midnight UTC), of the years \
         1 to 9999"
            .to_owned()
    })
}

/// Parses a status by its label, in upper or lower case.
pub fn status() -> impl TypedValueParser<Value = OrderStatus> {
    let labels = OrderStatus::ALL.iter().map(|status| status.label());
    PossibleValuesParser::new(labels).try_map(|label| label.to_uppercase().parse::<OrderStatus>())
}

/// Parses a time in force by its label, in upper or lower case.
pub fn time_in_force() -> impl TypedValueParser<Value = TimeInForce> {
    let labels = TimeInForce::ALL.iter().map(|time_in_force| time_in_force.label());
    PossibleValuesParser::new(labels).try_map(|label| label.to_uppercase().parse::<TimeInForce>())
}

/// Parses the format of an input by its name.
pub fn format() -> impl TypedValueParser<Value = FormatName> {
    let names = FormatName::ALL.iter().map(|format| format.label());
    PossibleValuesParser::new(names).try_map(|name| name.parse::<FormatName>())
}

/// Parses the name of a venue or of a source, 1 to 50 characters.
pub fn venue(text: &str) -> Result<String, String> {
    let is_blank = text.trim().is_empty();
    match is_blank || text.chars().count() > 50 || text.chars().any(char::is_control) {
        true => {
            Err("must have 1 to 50 characters, none of them a control character, and not be blank"
                .to_owned())
        }
        false => Ok(text.to_owned()),
    }
}

/// Parses the label of an encoding, as the WHATWG Encoding Standard lists them.
pub fn encoding(label: &str) -> Result<&'static Encoding, String> {
    Encoding::for_label(label.as_bytes()).ok_or_else(|| {
        "must be the label of an encoding, such as windows-1251 or utf-16le".to_owned()
    })
}

/// Parses the IANA name of a time zone.
pub fn time_zone(text: &str) -> Result<Tz, String> {
    text.parse()
        .map_err(|_| "must be the IANA name of a time zone, such as America/New_York".to_owned())
}

/// Parses the format of a report by its name.
pub fn report_format() -> impl TypedValueParser<Value = report::Format> {
    let names = report::Format::ALL.iter().map(|format| format.label());
    PossibleValuesParser::new(names).try_map(|name| name.parse::<report::Format>())
}
