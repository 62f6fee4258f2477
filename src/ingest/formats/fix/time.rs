//! FIX's UTCTimestamp.

use chrono::{DateTime, NaiveDate, NaiveDateTime, Utc};

/// The expected form of a time, for error messages.
pub(super) const EXPECTED: &str = "a UTC time such as 20261125-14:30:00.123456";

/// Digits that FIX allows after the point: picoseconds.
const MAX_FRACTION: usize = 12;

/// Parses `YYYYMMDD-HH:MM:SS` with an optional fraction of 1 to 12 digits, which is cut to nanoseconds.
///
/// PostgreSQL has no leap seconds, so a leap second (`:60`) becomes the last microsecond of its minute: it
/// stays on its day and after everything before it.
pub(super) fn parse(text: &[u8]) -> Option<DateTime<Utc>> {
    let (whole, fraction) = text.split_at_checked(17)?;
    if !(whole[8] == b'-' && whole[11] == b':' && whole[14] == b':') {
        return None;
    }
    let date = NaiveDate::from_ymd_opt(
        number(&whole[..4])?.try_into().ok()?,
        number(&whole[4..6])?,
        number(&whole[6..8])?,
    )?;
    let (hour, minute) = (number(&whole[9..11])?, number(&whole[12..14])?);
    let at: NaiveDateTime = match (number(&whole[15..])?, nanoseconds(fraction)?) {
        (60, _) => date.and_hms_nano_opt(hour, minute, 59, 999_999_000),
        (second, nanos) => date.and_hms_nano_opt(hour, minute, second, nanos),
    }?;
    Some(at.and_utc())
}

/// The value of two or four digits.
fn number(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0, |value, byte| {
        byte.is_ascii_digit().then(|| value * 10 + u32::from(byte - b'0'))
    })
}

/// The nanoseconds of a fraction with its point; 0 if there is none.
fn nanoseconds(fraction: &[u8]) -> Option<u32> {
    let Some((point, digits)) = fraction.split_first() else { return Some(0) };
    if *point != b'.' || digits.is_empty() || digits.len() > MAX_FRACTION {
        return None;
    }
    if !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let zeros = std::iter::repeat(&b'0');
    digits
        .iter()
        .chain(zeros)
        .take(9)
        .try_fold(0, |value, byte| Some(value * 10 + u32::from(byte - b'0')))
}
