//! Events as CSV (RFC 4180).
//!
//! Rows are split here and not by the csv crate, so that events borrow their text from the input.

use std::borrow::Cow;
use std::io::{self, Write};

use super::fields::{self, FIELDS};
use super::reader::{Format, Malformed};
use crate::ingest::event::{Event, Kind};

/// Reads and writes events as CSV (RFC 4180): a header line with names of fields of [`Event`], then one row
/// per event.
///
/// The header has any of the fields in any order; `kind` is required. Numbers are plain decimals, times are
/// RFC 3339, an empty value is `None`. A byte order mark is skipped.
///
/// A header with an unknown or repeated field is [`Malformed`], and so nothing after it is read. A row with
/// more or fewer values than the header, or with a value of the wrong form, is malformed; the next row is
/// read.
#[derive(Clone, Debug, Default)]
pub struct Csv {
    header: Header,
}

/// The state of the header.
#[derive(Clone, Debug, Default)]
enum Header {
    #[default]
    Unread,
    Fields(Vec<String>),
    /// The header is malformed, so no row can be read.
    Wrong,
}

impl Csv {
    /// Writes the header line.
    ///
    /// # Errors
    ///
    /// Errors of the output.
    pub fn write_header(out: &mut impl Write) -> io::Result<()> {
        writeln!(out, "{}", FIELDS.join(","))
    }

    /// Writes an event as one row.
    ///
    /// # Errors
    ///
    /// Errors of the output.
    pub fn write(event: &Event<'_>, out: &mut impl Write) -> io::Result<()> {
        for (place, field) in FIELDS.iter().enumerate() {
            if place > 0 {
                out.write_all(b",")?;
            }
            let text = fields::get(event, field).unwrap_or_default();
            // An empty value is written as an absent one: no field has an empty value.
            if text.contains(['"', ',', '\n', '\r']) || text.trim() != text {
                write!(out, "\"{}\"", text.replace('"', "\"\""))?;
            } else {
                out.write_all(text.as_bytes())?;
            }
        }
        out.write_all(b"\n")
    }

    /// Parses a header line.
    fn header(line: &str) -> Result<Vec<String>, String> {
        let names = split(line)?;
        let mut fields: Vec<String> = Vec::with_capacity(names.len());
        for name in names {
            let name = name.trim();
            if !FIELDS.contains(&name) {
                return Err(format!(
                    "the header has {name:?}, which is not a field of an event; expected {}",
                    FIELDS.join(", ")
                ));
            }
            if fields.iter().any(|field| field == name) {
                return Err(format!("the header has {name} twice"));
            }
            fields.push(name.to_owned());
        }
        if !fields.iter().any(|field| field == "kind") {
            return Err("the header lacks kind".to_owned());
        }
        Ok(fields)
    }

    /// Returns whether a line is a valid header.
    pub(super) fn is_header(line: &str) -> bool {
        Self::header(trimmed(line)).is_ok()
    }
}

impl Format for Csv {
    fn cut(&self, bytes: &[u8], at_end: bool) -> Option<usize> {
        let mut is_quoted = false;
        for (place, byte) in bytes.iter().enumerate() {
            match byte {
                b'"' => is_quoted = !is_quoted,
                b'\n' if !is_quoted => return Some(place + 1),
                _ => {}
            }
        }
        at_end.then_some(bytes.len())
    }

    fn read<'a>(&mut self, unit: &'a [u8], line: u64) -> Result<Option<Event<'a>>, Malformed> {
        let malformed = |field: Option<&str>, why: String| Malformed {
            line,
            field: field.map(str::to_owned),
            why,
        };
        let text = std::str::from_utf8(unit)
            .map(trimmed)
            .map_err(|_| malformed(None, "is not UTF-8".to_owned()))?;
        if text.is_empty() {
            return Ok(None);
        }
        let fields = match &self.header {
            Header::Fields(fields) => fields,
            Header::Wrong => return Ok(None),
            Header::Unread => {
                let header = Self::header(text);
                self.header = Header::Wrong;
                self.header = Header::Fields(
                    header.map_err(|why| malformed(None, format!("{why}; no row is read")))?,
                );
                return Ok(None);
            }
        };
        let row = split(text).map_err(|why| malformed(None, why))?;
        if row.len() != fields.len() {
            let (has, named) = (row.len(), fields.len());
            return Err(malformed(None, format!("has {has} values, but the header has {named}")));
        }
        let mut event = Event::new(Kind::Status, line, text);
        for (field, text) in fields.iter().zip(row) {
            if text.is_empty() {
                if field == "kind" {
                    return Err(malformed(Some(field), "is missing".to_owned()));
                }
                continue;
            }
            fields::set(&mut event, field, text).map_err(|why| malformed(Some(field), why))?;
        }
        Ok(Some(event))
    }
}

/// A row without its line ending, or the byte order mark before the first.
fn trimmed(text: &str) -> &str {
    text.trim_start_matches('\u{feff}').trim_end_matches(['\r', '\n'])
}

/// Splits a row into values.
fn split(row: &str) -> Result<Vec<Cow<'_, str>>, String> {
    let mut fields = Vec::new();
    let mut rest = row;
    loop {
        let (field, after) = match rest.strip_prefix('"') {
            Some(quoted) => unquoted(quoted)?,
            None => {
                let end = rest.find(',').unwrap_or(rest.len());
                (Cow::Borrowed(&rest[..end]), &rest[end..])
            }
        };
        fields.push(field);
        match after.strip_prefix(',') {
            Some(next) => rest = next,
            None if after.is_empty() => return Ok(fields),
            None => return Err("has text after the closing quote of a value".to_owned()),
        }
    }
}

/// Splits a quoted value, whose opening quote has been removed, from the rest of the row.
fn unquoted(quoted: &str) -> Result<(Cow<'_, str>, &str), String> {
    let mut end = 0;
    loop {
        let Some(quote) = quoted[end..].find('"') else {
            return Err("has a quoted value without a closing quote".to_owned());
        };
        end += quote;
        if quoted[end + 1..].starts_with('"') {
            end += 2;
            continue;
        }
        let text = &quoted[..end];
        let text = match text.contains('"') {
            true => Cow::Owned(text.replace("\"\"", "\"")),
            false => Cow::Borrowed(text),
        };
        return Ok((text, &quoted[end + 1..]));
    }
}
