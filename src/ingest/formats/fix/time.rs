//! FIX's UTCTimestamp, TZTimestamp and LocalMktDate.

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};

use crate::types::years;

/// The expected form of a time, for error messages.
pub(super) const EXPECTED: &str =
    "a UTC time such as 20261125-14:30:00.123456, of the years 1 to 9999";

/// The expected form of a day, for error messages.
pub(super) const EXPECTED_DAY: &str = "a day such as 20261125, of the years 1 to 9999";

/// Digits that FIX allows after the point: picoseconds.
const MAX_FRACTION: usize = 12;

/// The nanoseconds in which every leap second ends up, after the 59th second of its minute.
///
/// PostgreSQL has no leap seconds, so a leap second (`:60`) becomes the last microsecond of its minute, in every
/// format: it stays on its day and after everything before it.
pub(in crate::ingest::formats) const LEAP_NANOSECONDS: u32 = 999_999_000;

/// Parses `YYYYMMDD-HH:MM:SS` with an optional fraction of 1 to 12 digits, which is cut to nanoseconds, and an
/// optional offset from UTC: `Z`, `+01` or `-05:30`.
pub(super) fn parse(text: &[u8]) -> Option<DateTime<Utc>> {
    let (whole, rest) = text.split_at_checked(17)?;
    if !(whole[8] == b'-' && whole[11] == b':' && whole[14] == b':') {
        return None;
    }
    let date = parse_any_day(&whole[..8])?;
    let (hour, minute) = (number(&whole[9..11])?, number(&whole[12..14])?);
    let (nanos, offset) = fraction(rest)?;
    let at = match number(&whole[15..])? {
        60 => date.and_hms_nano_opt(hour, minute, 59, LEAP_NANOSECONDS),
        second => date.and_hms_nano_opt(hour, minute, second, nanos),
    }?;
    let at = match offset {
        [] => at,
        offset => at.checked_sub_signed(TimeDelta::minutes(minutes(offset)?))?,
    };
    Some(at.and_utc()).filter(|at| years::has_time(*at))
}

/// Parses `YYYYMMDD`, from year 1.
pub(super) fn parse_day(text: &[u8]) -> Option<NaiveDate> {
    parse_any_day(text).filter(|day| years::has_day(*day))
}

/// Parses `YYYYMMDD`, also of year 0: with an offset, its last hours are in year 1 in UTC.
fn parse_any_day(text: &[u8]) -> Option<NaiveDate> {
    if text.len() != 8 {
        return None;
    }
    let year = number(&text[..4])?.try_into().ok()?;
    NaiveDate::from_ymd_opt(year, number(&text[4..6])?, number(&text[6..])?)
}

/// The value of two or four digits.
fn number(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0, |value, byte| {
        byte.is_ascii_digit().then(|| value * 10 + u32::from(byte - b'0'))
    })
}

/// The nanoseconds of a fraction with its point, 0 if there is none, and what follows it.
fn fraction(text: &[u8]) -> Option<(u32, &[u8])> {
    let Some(digits) = text.strip_prefix(b".") else { return Some((0, text)) };
    let length = digits.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if length == 0 || length > MAX_FRACTION {
        return None;
    }
    let (digits, rest) = digits.split_at(length);
    let padded = digits.iter().chain(std::iter::repeat(&b'0')).take(9);
    Some((padded.fold(0, |value, byte| value * 10 + u32::from(byte - b'0')), rest))
}

/// The minutes of an offset from UTC: `Z`, or a sign with hours and perhaps minutes.
fn minutes(offset: &[u8]) -> Option<i64> {
    let (sign, hours, minutes) = match offset {
        b"Z" => return Some(0),
        [sign @ (b'+' | b'-'), hours @ ..] if hours.len() == 2 => (sign, hours, &b"00"[..]),
        [sign @ (b'+' | b'-'), a, b, b':', minutes @ ..] if minutes.len() == 2 => {
            (sign, &[*a, *b][..], minutes)
        }
        _ => return None,
    };
    let (hours, minutes) = (number(hours)?, number(minutes)?);
    let total = i64::from(hours * 60 + minutes);
    // No zone is further from UTC than 14 hours.
    (hours <= 14 && minutes < 60).then_some(if *sign == b'-' { -total } else { total })
}
