//! Which format an input is in.

use std::fmt;
use std::io::{self, Cursor, Read};
use std::str::FromStr;

use memchr::memmem;

use super::alpaca::Alpaca;
use super::csv::Csv;
use super::fix::FixReader;
use super::ndjson::Ndjson;
use super::reader::{Format, Malformed};
use crate::error::Error;
use crate::ingest::event::Event;
use crate::types::enums::labels;

/// Bytes that are looked at.
const HEAD: usize = 1 << 16;

/// The formats by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FormatName {
    /// FIX tag=value messages, or logs with such in them.
    Fix,
    /// Events as NDJSON.
    Ndjson,
    /// Events as CSV.
    Csv,
    /// Alpaca's trade updates and account activities.
    Alpaca,
}

impl FormatName {
    /// The format of an input that begins so; none if it can't be told.
    pub fn of(head: &[u8]) -> Option<Self> {
        let text = String::from_utf8_lossy(head);
        let text = text.trim_start_matches('\u{feff}').trim_start();
        let line = text.lines().next().unwrap_or_default();
        let has = |key: &str| line.contains(key);
        // A message may stand in what is told of a break, and not the other way round.
        if Csv::is_header(line) {
            Some(Self::Csv)
        } else if text.starts_with('{') && has("\"kind\"") {
            Some(Self::Ndjson)
        } else if text.starts_with('[')
            || text.starts_with('{')
                && ["\"stream\"", "\"event\"", "\"activity_type\""].into_iter().any(has)
        {
            Some(Self::Alpaca)
        } else if memmem::find(head, b"8=FIX").is_some() {
            Some(Self::Fix)
        } else if text.is_empty() {
            // Of nothing, nothing is read.
            Some(Self::Ndjson)
        } else {
            None
        }
    }
}

labels!(FormatName, "format", Fix = "fix", Ndjson = "ndjson", Csv = "csv", Alpaca = "alpaca");

/// Any of the formats.
#[derive(Clone, Debug)]
pub enum AnyFormat {
    /// FIX tag=value.
    Fix(FixReader),
    /// Events as NDJSON.
    Ndjson(Ndjson),
    /// Events as CSV.
    Csv(Csv),
    /// Alpaca's JSON.
    Alpaca(Alpaca),
}

impl AnyFormat {
    /// The format of this name; FIX takes the trader from this tag.
    pub fn new(name: FormatName, trader_tag: Option<u32>) -> Self {
        match name {
            FormatName::Fix => Self::Fix(FixReader::new(trader_tag)),
            FormatName::Ndjson => Self::Ndjson(Ndjson),
            FormatName::Csv => Self::Csv(Csv::default()),
            FormatName::Alpaca => Self::Alpaca(Alpaca),
        }
    }
}

impl Format for AnyFormat {
    fn cut(&self, bytes: &[u8], at_end: bool) -> Option<usize> {
        match self {
            Self::Fix(format) => format.cut(bytes, at_end),
            Self::Ndjson(format) => format.cut(bytes, at_end),
            Self::Csv(format) => format.cut(bytes, at_end),
            Self::Alpaca(format) => format.cut(bytes, at_end),
        }
    }

    fn read<'a>(&mut self, unit: &'a [u8], line: u64) -> Result<Option<Event<'a>>, Malformed> {
        match self {
            Self::Fix(format) => format.read(unit, line),
            Self::Ndjson(format) => format.read(unit, line),
            Self::Csv(format) => format.read(unit, line),
            Self::Alpaca(format) => format.read(unit, line),
        }
    }
}

/// Finds out the format of an input, from its first 64 KiB; gives the whole of it back.
///
/// # Errors
///
/// Those of the input; [`io::ErrorKind::InvalidData`] if its format can't be told.
pub fn detect<R: Read>(mut input: R) -> io::Result<(FormatName, impl Read)> {
    let mut head = Vec::new();
    let mut name = None;
    // No more than it takes: somebody may be writing it who waits for what becomes of it.
    while name.is_none() && head.len() < HEAD {
        let mut chunk = [0; 4096];
        let read = match input.read(&mut chunk) {
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        head.extend_from_slice(chunk.get(..read).unwrap_or_default());
        let is_line = memchr::memchr(b'\n', &head).is_some();
        name = FormatName::of(&head).filter(|_| is_line || read == 0);
        if read == 0 {
            break;
        }
    }
    let name = name.ok_or_else(|| {
        io::Error::new(
            io::ErrorKind::InvalidData,
            "the format can't be told: there is no 8=FIX in the first 64 KiB, no object with a \
             kind, an event or an activity_type in the first line, and no header of fields; say \
             which it is with --format",
        )
    })?;
    Ok((name, Cursor::new(head).chain(input)))
}
