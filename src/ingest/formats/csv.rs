//! Events as CSV (RFC 4180): a header line that names the fields, any of them in any order, then a row
//! for each event. What is empty is not said. Numbers are plain decimals, times RFC 3339.
//!
//! Rows are split here and not by a crate, so that their text is borrowed from the input.

use std::borrow::Cow;
use std::io::{self, Write};

use super::fields::{self, FIELDS};
use super::reader::{Format, Malformed};
use crate::ingest::event::{Event, Kind};

/// Reads events as CSV.
#[derive(Clone, Debug, Default)]
pub struct Csv {
    header: Header,
}

/// What the first line names.
#[derive(Clone, Debug, Default)]
enum Header {
    #[default]
    Unread,
    Fields(Vec<String>),
    /// It names what is no field, so that nothing after it can be read.
    Wrong,
}

impl Csv {
    /// Writes the header line.
    ///
    /// # Errors
    ///
    /// Those of the output.
    pub fn write_header(out: &mut impl Write) -> io::Result<()> {
        writeln!(out, "{}", FIELDS.join(","))
    }

    /// Writes an event as a row under the header.
    ///
    /// # Errors
    ///
    /// Those of the output.
    pub fn write(event: &Event<'_>, out: &mut impl Write) -> io::Result<()> {
        for (place, field) in FIELDS.iter().enumerate() {
            if place > 0 {
                out.write_all(b",")?;
            }
            let text = fields::get(event, field).unwrap_or_default();
            // What is quoted and empty is not said either; no field says that.
            if text.contains(['"', ',', '\n', '\r']) || text.trim() != text {
                write!(out, "\"{}\"", text.replace('"', "\"\""))?;
            } else {
                out.write_all(text.as_bytes())?;
            }
        }
        out.write_all(b"\n")
    }

    /// The fields that a line names.
    fn header(line: &str) -> Result<Vec<String>, String> {
        let names = split(line)?;
        let mut fields: Vec<String> = Vec::with_capacity(names.len());
        for name in names {
            let name = name.trim();
            if !FIELDS.contains(&name) {
                return Err(format!(
                    "names {name:?}, which is no field of an event; those are {}",
                    FIELDS.join(", ")
                ));
            }
            if fields.iter().any(|field| field == name) {
                return Err(format!("names {name} twice"));
            }
            fields.push(name.to_owned());
        }
        if !fields.iter().any(|field| field == "kind") {
            return Err("does not name kind".to_owned());
        }
        Ok(fields)
    }

    /// Whether a line is such a header.
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
                self.header =
                    Header::Fields(header.map_err(|why| {
                        malformed(None, format!("{why}; nothing after it is read"))
                    })?);
                return Ok(None);
            }
        };
        let row = split(text).map_err(|why| malformed(None, why))?;
        if row.len() != fields.len() {
            let (has, named) = (row.len(), fields.len());
            return Err(malformed(None, format!("has {has} fields, and the header {named}")));
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

/// A row without what ends the line, or stands before the first.
fn trimmed(text: &str) -> &str {
    text.trim_start_matches('\u{feff}').trim_end_matches(['\r', '\n'])
}

/// The fields of a row.
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
            None => return Err("has text after the quote that ends a field".to_owned()),
        }
    }
}

/// What stands between quotes, of which the first is taken off, and what comes after.
fn unquoted(quoted: &str) -> Result<(Cow<'_, str>, &str), String> {
    let mut end = 0;
    loop {
        let Some(quote) = quoted[end..].find('"') else {
            return Err("has a quote that is never closed".to_owned());
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
