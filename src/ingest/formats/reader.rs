//! Reports out of a stream of bytes: a window over the input that is cut into units by the format.

use std::fmt;
use std::io::{self, Read};
use std::mem;

use memchr::memchr_iter;

use crate::ingest::event::Event;

/// Bytes read at a time, at first and at most: what is short needs no room for more.
const FIRST_CHUNK: usize = 1 << 14;
const CHUNK: usize = 1 << 20;

/// Bytes that one report may have; a longer one is malformed, and passed over.
const MAX_UNIT: usize = 1 << 18;

/// Bytes of a report that is rather short; there is room for as many events as that gives.
const TYPICAL_UNIT: usize = 256;

/// A format of reports: one file each.
pub trait Format {
    /// Where the first unit of these bytes ends: a line, mostly, or a message. None if it goes on
    /// beyond them; at the end of the input nothing does. Never 0 of some bytes.
    fn cut(&self, bytes: &[u8], at_end: bool) -> Option<usize>;

    /// Reads a unit that [`Format::cut`] has cut, which begins on this line. None if nothing is
    /// reported by it, such as by a blank line or a heartbeat. A unit that is passed over because it
    /// is too long is not read at all.
    ///
    /// # Errors
    ///
    /// What is wrong with it. Never panics, whatever the bytes.
    fn read<'a>(&mut self, unit: &'a [u8], line: u64) -> Result<Option<Event<'a>>, Malformed>;
}

/// A unit that could not be read, wholly or in part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Malformed {
    /// The line of the input that it begins on, from 1.
    pub line: u64,
    /// The tag or field that is wrong, e.g. "tag 31 (LastPx)"; none if it is the whole of it.
    pub field: Option<String>,
    /// What is wrong, and what was expected.
    pub why: String,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: ", self.line)?;
        if let Some(field) = &self.field {
            write!(f, "{field} ")?;
        }
        f.write_str(&self.why)
    }
}

/// Reads events out of a stream, in batches that borrow from it. Its memory does not grow with the input.
pub struct Reader<R, F> {
    input: R,
    format: F,
    buffer: Vec<u8>,
    /// Of the buffer: where the bytes that are not yet given out begin and end.
    begin: usize,
    end: usize,
    at_end: bool,
    /// Bytes to ask for at a time, and whether so many came last time.
    chunk: usize,
    is_filled: bool,
    line: u64,
    /// In a unit that is too long: its rest is to be passed over.
    is_skipping: bool,
}

/// What was read at a time.
#[derive(Debug, Default)]
pub struct Batch<'a> {
    /// The events, as they stand in the input.
    pub events: Vec<Event<'a>>,
    /// What could not be read between them.
    pub malformed: Vec<Malformed>,
    /// Bytes of the input that were read for it.
    pub bytes: u64,
}

impl<R: Read, F: Format> Reader<R, F> {
    /// A reader of this input, from its beginning.
    pub fn new(input: R, format: F) -> Self {
        Self {
            input,
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

    /// The next events, at most so many and as far as they are in the buffer; none at the end of the
    /// input.
    ///
    /// # Errors
    ///
    /// Those of the input.
    pub fn batch(&mut self, at_most: usize) -> io::Result<Option<Batch<'_>>> {
        let mut malformed = Vec::new();
        let mut bytes = 0;
        // Not beyond the first unit: the events borrow from the buffer, which then must not move.
        let mut next = self.cut();
        while next.is_none() && malformed.is_empty() {
            if self.at_end {
                return Ok(None);
            }
            if self.end - self.begin > MAX_UNIT {
                bytes += self.pass_over(&mut malformed);
            }
            self.fill()?;
            next = self.cut();
        }
        let mut events = Vec::with_capacity(at_most.min(CHUNK / TYPICAL_UNIT));
        let Self { format, buffer, begin, end, at_end, line, is_skipping, .. } = self;
        while let Some(length) = next {
            let unit = &buffer[*begin..*begin + length];
            if mem::take(is_skipping) {
                // The rest of one that has been complained about.
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
        Ok(Some(Batch { events, malformed, bytes }))
    }

    /// The length of the next unit, if it is in the buffer.
    fn cut(&self) -> Option<usize> {
        cut(&self.format, &self.buffer[self.begin..self.end], self.at_end)
    }

    /// Passes over what is in the buffer of a unit that is too long. Gives the bytes of it.
    fn pass_over(&mut self, malformed: &mut Vec<Malformed>) -> u64 {
        let passed = &self.buffer[self.begin..self.end];
        if !mem::replace(&mut self.is_skipping, true) {
            malformed.push(too_long(passed, self.line));
        }
        self.line += lines(passed);
        self.begin = self.end;
        passed.len() as u64
    }

    /// Reads on, once everything before has been given out.
    fn fill(&mut self) -> io::Result<()> {
        self.buffer.copy_within(self.begin..self.end, 0);
        self.end -= self.begin;
        self.begin = 0;
        // An input that fills its chunk has more to give, and a larger one is worth its room.
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

/// Where the first unit ends; at the end of the input, with whatever is left.
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
    // Blank lines may stand before it.
    let begin = unit.iter().position(|byte| !byte.is_ascii_whitespace()).unwrap_or_default();
    let line = line + lines(&unit[..begin]);
    let why = format!("is longer than {MAX_UNIT} bytes, and passed over");
    Malformed { line, field: None, why }
}
