//! Detects the format of an input.

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

/// Bytes that are examined at most.
const HEAD: usize = 1 << 16;

/// The name of a format of reports, as the option `--format` has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FormatName {
    /// `fix`: FIX tag=value messages, or logs that contain them.
    Fix,
    /// `ndjson`: events as NDJSON.
    Ndjson,
    /// `csv`: events as CSV.
    Csv,
    /// `alpaca`: trade updates and account activities of Alpaca.
    Alpaca,
}

impl FormatName {
    /// Returns the format of an input that begins with these bytes; none if it is not recognized.
    pub fn of(head: &[u8]) -> Option<Self> {
        let text = String::from_utf8_lossy(head);
        let text = text.trim_start_matches('\u{feff}').trim_start();
        let line = text.lines().next().unwrap_or_default();
        let has = |key: &str| line.contains(key);
        // The FIX marker comes last: an event of another format may contain a FIX message as its raw text.
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
            // An empty input has no events in any format.
            Some(Self::Ndjson)
        } else {
            None
        }
    }
}

labels!(FormatName, "format", Fix = "fix", Ndjson = "ndjson", Csv = "csv", Alpaca = "alpaca");

/// A format that is chosen at run time.
#[derive(Clone, Debug)]
pub enum AnyFormat {
    /// FIX tag=value messages.
    Fix(FixReader),
    /// Events as NDJSON.
    Ndjson(Ndjson),
    /// Events as CSV.
    Csv(Csv),
    /// Trade updates and account activities of Alpaca.
    Alpaca(Alpaca),
}

impl AnyFormat {
    /// Returns the format of this name. FIX takes the trader from `trader_tag`; the other formats have a
    /// field for it.
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

/// Detects the format of an input from its first 64 KiB, and returns it with a reader of the whole input.
///
/// # Errors
///
/// [`io::ErrorKind::InvalidData`] if the format is not recognized; errors of the input.
pub fn detect<R: Read>(mut input: R) -> io::Result<(FormatName, impl Read)> {
    let mut head = Vec::new();
    let mut name = None;
    // Reads no more than necessary: the writer of a pipe may wait for the first reports to be processed.
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
            "the format is not recognized: the first 64 KiB have no 8=FIX, and the first line has \
             no JSON object with a kind, an event or an activity_type and is no CSV header with a \
             kind; name the format with --format",
        )
    })?;
    Ok((name, Cursor::new(head).chain(input)))
}
