//! Finds messages in a stream or a log: several may stand on one line, with other text before them, and
//! some are cut off.

use memchr::memmem;
use memchr::{memchr_iter, memchr2_iter};

use super::frame::{BEGIN, BeginString, End, version_length};
use super::message::show;
use crate::ingest::formats::reader::Malformed;

/// Bytes after a BeginString from which on its separator can be told.
const MIN_FIELDS: usize = 2;

/// Returns where the first unit of these bytes ends: a message with what stands before it on its line, or a
/// line without a message. None if that depends on bytes that have not been read yet.
///
/// A message ends with its trailer. One without a trailer ends with its line, or where the next message
/// begins.
pub(super) fn cut(bytes: &[u8], at_end: bool) -> Option<usize> {
    let is_break = |byte: &u8| matches!(byte, b'\n' | b'\r');
    let Some(begin) = bytes.iter().position(|byte| !is_break(byte)) else {
        return Some(bytes.len());
    };
    let mut message: Option<BeginString> = None;
    let mut from = begin;
    let mut places = memchr2_iter(b'\n', b'=', &bytes[from..]);
    while let Some(at) = places.next().map(|at| from + at) {
        if bytes[at] == b'\n' {
            return Some(at + 1);
        }
        let next = BeginString::at(bytes, at);
        let end = match (&message, &next) {
            (None, Some(begin_string)) => begin_string.end_by_length(bytes, at_end),
            // A text may contain something like a BeginString; a message goes on with its BodyLength.
            (Some(_), Some(next)) if next.body(bytes).is_some() => return Some(next.begin),
            (Some(begin_string), _) => begin_string.end_by_trailer(bytes, at, at_end),
            (None, None) => End::No,
        };
        match end {
            End::At(end) => return Some(end),
            End::Unknown => return None,
            End::No => {
                let first = next.filter(|_| message.is_none());
                message = message.or(next);
                match first.map_or(End::No, |first| first.least_end(bytes, at_end)) {
                    End::At(end) => {
                        from = end;
                        places = memchr2_iter(b'\n', b'=', &bytes[from..]);
                    }
                    End::Unknown => return None,
                    End::No => {}
                }
            }
        }
    }
    at_end.then_some(bytes.len())
}

/// Checks a unit without a BeginString that can be read.
///
/// # Errors
///
/// [`Malformed`] if it begins as a message does: cut off, or with a separator that is not supported.
pub(super) fn check_no_message(unit: &[u8], line: u64) -> Result<(), Malformed> {
    let Some(at) = BEGIN.find(unit) else { return Ok(()) };
    let version = &unit[at + BEGIN.needle().len()..];
    let rest = version[version_length(version)..].trim_ascii_end();
    let why = if rest.len() < MIN_FIELDS {
        "this message is cut off after its BeginString".into()
    } else if memmem::find(rest, b"35=").is_some() {
        let found = show(&rest[..rest.len().min(8)]);
        let expected = "SOH, or what a log prints in its place, such as |, ^A, <SOH> or \\u0001";
        format!("the fields of this message are separated as in {found}; expected {expected}")
    } else {
        return Ok(());
    };
    let line = line + memchr_iter(b'\n', &unit[..at]).count() as u64;
    Err(Malformed { line, field: None, why })
}
