//! The years of the times and days that the store accepts.

use std::ops::RangeInclusive;

use chrono::{DateTime, Datelike, NaiveDate, Utc};

use crate::error::Error;

/// The years whose times (in UTC) and days the store accepts: 1 to 9999, those that every reader of the records
/// knows. RFC 3339, FIX and ISO SQL write a year in four digits, and none of them has a year 0.
// The same rule is in the database, under the constraints whose names end in `_readable`.
pub const YEARS: RangeInclusive<i32> = 1..=9999;

const OUTSIDE: &str = "is outside the years 1 to 9999 (UTC)";

/// Returns whether the store accepts a time.
pub(crate) fn has_time(at: DateTime<Utc>) -> bool {
    YEARS.contains(&at.year())
}

/// Returns whether the store accepts a day.
pub(crate) fn has_day(day: NaiveDate) -> bool {
    YEARS.contains(&day.year())
}

/// Refuses a time outside [`YEARS`], with [`Error::is_invalid_input`].
pub(crate) fn check_time(what: &'static str, at: Option<DateTime<Utc>>) -> Result<(), Error> {
    match at.filter(|at| !has_time(*at)) {
        Some(at) => Err(Error::invalid(what, &at.to_rfc3339(), OUTSIDE)),
        None => Ok(()),
    }
}

/// Refuses a day outside [`YEARS`], with [`Error::is_invalid_input`].
pub(crate) fn check_day(what: &'static str, day: Option<NaiveDate>) -> Result<(), Error> {
    match day.filter(|day| !has_day(*day)) {
        Some(day) => Err(Error::invalid(what, &day.to_string(), OUTSIDE)),
        None => Ok(()),
    }
}
