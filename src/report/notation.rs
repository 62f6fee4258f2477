//! How amounts, times and ids are written in a report.

use bigdecimal::BigDecimal;
use chrono::{DateTime, Utc};
use uuid::Uuid;

/// Decimal places that an amount has at least.
const MIN_PLACES: i64 = 2;

/// Returns the same amount without trailing zeros, but with at least two decimal places.
pub(super) fn with_cents(value: &BigDecimal) -> BigDecimal {
    let value = value.normalized();
    let places = value.fractional_digit_count().max(MIN_PLACES);
    value.with_scale(places)
}

/// Writes an amount of money for people: with cents and grouped digits.
pub(super) fn money(value: &BigDecimal) -> String {
    grouped(with_cents(value).to_plain_string())
}

/// Writes a number of shares for people: without trailing zeros, with grouped digits.
pub(super) fn shares(value: &BigDecimal) -> String {
    grouped(value.normalized().to_plain_string())
}

/// Writes a number with narrow no-break spaces between groups of three digits before the point.
pub(super) fn grouped(number: impl ToString) -> String {
    let number = number.to_string();
    let (whole, fraction) = match number.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (number.as_str(), None),
    };
    let (sign, digits) = match whole.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", whole),
    };
    let mut written = sign.to_owned();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            written.push('\u{202f}');
        }
        written.push(digit);
    }
    if let Some(fraction) = fraction {
        written.push('.');
        written.push_str(fraction);
    }
    written
}

/// Writes a share of a whole in percent, truncated to one decimal place, so that 100 % means all.
pub(super) fn percentage(part: u64, whole: u64) -> String {
    match u128::from(part) * 1000 / u128::from(whole.max(1)) {
        1000 => "100 %".to_owned(),
        permille => format!("{}.{} %", permille / 10, permille % 10),
    }
}

/// Writes a time in UTC to the microsecond.
pub(super) fn time(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d %H:%M:%S%.6f").to_string()
}

/// Abbreviates an id to its last six digits: the first ones of a UUIDv7 are a time, and much alike.
pub(super) fn abbreviated(id: Uuid) -> String {
    let id = id.to_string();
    format!("…{}", &id[id.len() - 6..])
}
