//! Reads events from a stream of bytes: a buffer over the input, which the format cuts into units.

use std::fmt;
use std::io::{self, Read};
use std::mem;

use encoding_rs::Encoding;
use memchr::memchr_iter;

use super::text::Decoded;
use crate::ingest::event::Event;

/// Bytes read at a time, at first and at most: a short input needs no large buffer.
const FIRST_CHUNK: usize = 1 << 14;
const CHUNK: usize = 1 << 20;

/// Bytes that one report may have; a longer one is malformed, and skipped.
const MAX_UNIT: usize = 1 << 18;

/// Bytes of a rather short report: a batch has room for as many events as such reports fill a chunk.
const TYPICAL_UNIT: usize = 256;

/// A format of reports, which cuts an input into units and reads an event from each.
///
/// To add a format, implement this trait in a file of its own, and add it to [`FormatName`](super::FormatName)
/// and [`AnyFormat`](super::AnyFormat).
pub trait Format {
    /// Returns the length of the first unit of these bytes: a line, in most formats, or a message. None if
    /// the unit goes on beyond these bytes, which it does not if they are the last of the input (`at_end`).
    /// Never 0 unless there are no bytes.
    fn cut(&self, bytes: &[u8], at_end: bool) -> Option<usize>;

    /// Reads a unit that [`Format::cut`] returned and that begins on this line, counted from 1. None if it
    /// reports nothing, such as a blank line or a heartbeat. Never panics, whatever the bytes. A unit of
    /// more than 256 KiB is malformed and does not get here.
    ///
    /// # Errors
    ///
    /// [`Malformed`]: what is wrong with the unit.
    fn read<'a>(&mut self, unit: &'a [u8], line: u64) -> Result<Option<Event<'a>>, Malformed>;

    /// Returns the encoding of the input, from which it is decoded to UTF-8 before it is cut into units. None,
    /// the default, for UTF-8 and for a format that decodes its fields by itself. UTF-16 with a byte order mark
    /// is decoded in any case.
    fn encoding(&self) -> Option<&'static Encoding> {
        None
    }
}

/// A report that could not be recognized: broken JSON, a row with too few values, an unknown kind. It is skipped,
/// and the next one is read. A report whose kind can be read is an [`Event`], with a
/// [defect](Event::defect) if it must not be applied.
///
/// Displayed as `line 7: not read: has 3 values, but the header has 2`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Malformed {
    /// The line of the input on which the report begins, counted from 1.
    pub line: u64,
    /// The tag or the field that is wrong, e.g. `tag 31 (LastPx)`; none if the report as a whole is
    /// wrong.
    pub field: Option<String>,
    /// What is wrong, and what is expected.
    pub why: String,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: not read: ", self.line)?;
        if let Some(field) = &self.field {
            write!(f, "{field} ")?;
        }
        f.write_str(&self.why)
    }
}

/// Reads events from a stream, in batches that borrow from its buffer. Memory does not grow with the input.
///
/// ```
/// use tradeblotter::ingest::{Ndjson, Reader};
///
/// let input = "{\"kind\":\"status\"}\n{\"kind\":\"unknown\"}\n";
/// let mut reader = Reader::new(input.as_bytes(), Ndjson::default());
/// while let Some(batch) = reader.batch(1000)? {
///     assert_eq!((batch.events.len(), batch.malformed.len()), (1, 1));
///     assert_eq!(batch.malformed[0].line, 2);
/// }
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct Reader<R, F> {
    input: Decoded<R>,
    /// Bytes of a decoded input that batches have reported.
    reported: u64,
    format: F,
    buffer: Vec<u8>,
    /// Where the unread bytes begin and end in the buffer.
    begin: usize,
    end: usize,
    at_end: bool,
    /// Bytes to ask for at a time, and whether as many came last time.
    chunk: usize,
    is_filled: bool,
    line: u64,
    /// Whether the unread bytes begin with the rest of a unit that is too long.
    is_skipping: bool,
}

/// The events that [`Reader::batch`] returns at a time.
#[derive(Debug, Default)]
pub struct Batch<'a> {
    /// The events, in the sequence of the input.
    pub events: Vec<Event<'a>>,
    /// The reports among them that could not be read, in the sequence of the input.
    pub malformed: Vec<Malformed>,
    /// Bytes of the input that the batch covers; over all batches, those of the whole input.
    pub bytes: u64,
}

impl<R: Read, F: Format> Reader<R, F> {
    /// Returns a reader of this input.
    pub fn new(input: R, format: F) -> Self {
        Self {
            input: Decoded::new(input, format.encoding()),
            reported: 0,
            format,
            buffer: Vec::new(),
            begin: 0,
            end: 0,
            at_end: false,
            chunk: 0,
            is_filled: false,
            line: 1,
            is_skipping: false,
        }
    }

    /// Returns the next events, at most `at_most`; fewer if the buffer has fewer. None at the end of the
    /// input.
    ///
    /// # Errors
    ///
    /// Errors of the input. Reports that can't be read are in [`Batch::malformed`].
    pub fn batch(&mut self, at_most: usize) -> io::Result<Option<Batch<'_>>> {
        let mut malformed = Vec::new();
        let mut bytes = 0;
        // The buffer may only be filled before the first unit is read: the events borrow from it.
        let mut next = self.cut();
        while next.is_none() && malformed.is_empty() {
            if self.at_end {
                let bytes = self.unreported(bytes);
                return Ok((bytes > 0).then(|| Batch { bytes, ..Batch::default() }));
            }
            if self.end - self.begin > MAX_UNIT {
                bytes += self.skip(&mut malformed);
            }
            self.fill()?;
            next = self.cut();
        }
        let decoded = self.input.decoded_bytes().is_some().then(|| self.unreported(0));
        let mut events = Vec::with_capacity(at_most.min(CHUNK / TYPICAL_UNIT));
        let Self { format, buffer, begin, end, at_end, line, is_skipping, .. } = self;
        while let Some(length) = next {
            let unit = &buffer[*begin..*begin + length];
            if mem::take(is_skipping) {
                // The rest of a unit that has been reported as malformed.
            } else if length > MAX_UNIT {
                malformed.push(too_long(unit, *line));
            } else {
                match format.read(unit, *line) {
                    Ok(event) => events.extend(event),
                    Err(why) => malformed.push(why),
                }
            }
            *begin += length;
            *line += lines(unit);
            bytes += length as u64;
            if events.len() >= at_most {
                break;
            }
            next = cut(format, &buffer[*begin..*end], *at_end);
        }
        Ok(Some(Batch { events, malformed, bytes: decoded.unwrap_or(bytes) }))
    }

    /// Returns the bytes of the input that a batch reports: these, or of a decoded input those read since the
    /// last batch.
    fn unreported(&mut self, bytes: u64) -> u64 {
        match self.input.decoded_bytes() {
            Some(read) => read - mem::replace(&mut self.reported, read),
            None => bytes,
        }
    }

    /// The length of the next unit, if all of it is in the buffer.
    fn cut(&self) -> Option<usize> {
        cut(&self.format, &self.buffer[self.begin..self.end], self.at_end)
    }

    /// Skips the part of a unit that is too long which is in the buffer. Returns the bytes skipped.
    fn skip(&mut self, malformed: &mut Vec<Malformed>) -> u64 {
        let skipped = &self.buffer[self.begin..self.end];
        if !mem::replace(&mut self.is_skipping, true) {
            malformed.push(too_long(skipped, self.line));
        }
        self.line += lines(skipped);
        self.begin = self.end;
        skipped.len() as u64
    }

    /// Moves the unread bytes to the beginning of the buffer, and reads more after them.
    fn fill(&mut self) -> io::Result<()> {
        self.buffer.copy_within(self.begin..self.end, 0);
        self.end -= self.begin;
        self.begin = 0;
        // An input that fills a chunk probably has more, and is read faster in larger chunks.
        if mem::take(&mut self.is_filled) || self.chunk == 0 {
            self.chunk = (2 * self.chunk).clamp(FIRST_CHUNK, CHUNK);
        }
        if self.buffer.len() < self.end + self.chunk {
            self.buffer.resize(self.end + self.chunk, 0);
        }
        loop {
            match self.input.read(&mut self.buffer[self.end..]) {
                Ok(0) => self.at_end = true,
                Ok(read) => {
                    self.end += read;
                    self.is_filled = self.end == self.buffer.len();
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            }
            return Ok(());
        }
    }
}

/// The length of the first unit; at the end of the input, of whatever is left.
fn cut(format: &impl Format, bytes: &[u8], at_end: bool) -> Option<usize> {
    if bytes.is_empty() {
        return None;
    }
    let length = format.cut(bytes, at_end).or(at_end.then_some(bytes.len()))?;
    Some(length.clamp(1, bytes.len()))
}

fn lines(bytes: &[u8]) -> u64 {
    memchr_iter(b'\n', bytes).count() as u64
}

fn too_long(unit: &[u8], line: u64) -> Malformed {
    // The line is that of the report, and not of blank lines before it.
    let begin = unit.iter().position(|byte| !byte.is_ascii_whitespace()).unwrap_or_default();
    let line = line + lines(&unit[..begin]);
    let why = format!("is longer than {MAX_UNIT} bytes");
    Malformed { line, field: None, why }
}
