//! Detects the format of an input.

use std::borrow::Cow;
use std::fmt;
use std::io::{self, Cursor, Read};
use std::iter;
use std::str::FromStr;

use encoding_rs::Encoding;
use memchr::{memchr, memchr2, memmem};

use super::alpaca::{self, Alpaca};
use super::csv::{self, Csv};
use super::fix::FixReader;
use super::ndjson::Ndjson;
use super::object::object_start;
use super::options::ReadOptions;
use super::reader::{Format, Malformed};
use super::text::{bytes_of_kept, marked_encoding, show};
use crate::error::Error;
use crate::ingest::event::Event;
use crate::types::enums::labels;

/// Bytes that are examined at most.
const HEAD: usize = 1 << 20;

/// Bytes that are read at first.
const FIRST_CHUNK: usize = 1 << 12;

/// Bytes after which a first line is examined before its end.
const LONG_LINE: usize = 1 << 16;

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
        Head::new(head, true).format()
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
    /// Returns the format of this name. Only FIX takes the trader from a tag; the other formats have a field
    /// for it.
    pub fn new(name: FormatName, options: &ReadOptions) -> Self {
        let encoding = options.encoding;
        match name {
            FormatName::Fix => Self::Fix(FixReader::new(options.clone())),
            FormatName::Ndjson => Self::Ndjson(Ndjson { encoding }),
            FormatName::Csv => {
                let mut csv = Csv::default();
                csv.encoding = encoding;
                Self::Csv(csv)
            }
            FormatName::Alpaca => Self::Alpaca(Alpaca { encoding }),
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

    fn encoding(&self) -> Option<&'static Encoding> {
        match self {
            Self::Fix(format) => format.encoding(),
            Self::Ndjson(format) => format.encoding(),
            Self::Csv(format) => format.encoding(),
            Self::Alpaca(format) => format.encoding(),
        }
    }
}

/// Detects the format of an input from its beginning, and returns it with a reader of the whole input.
///
/// # Errors
///
/// [`io::ErrorKind::InvalidData`], with what was found instead, if the first MiB is in no format that is
/// recognized; errors of the input.
pub fn detect<R: Read>(mut input: R) -> io::Result<(FormatName, impl Read)> {
    let mut head = Vec::new();
    let (mut name, mut at_end, mut examined) = (None, false, 0);
    // Reads no more than necessary: the writer of a pipe may wait for the first reports to be processed.
    while name.is_none() && !at_end && head.len() < HEAD {
        let begin = head.len();
        head.resize(begin + begin.clamp(FIRST_CHUNK, HEAD), 0);
        let read = input.read(&mut head[begin..]);
        head.truncate(begin + read.as_ref().unwrap_or(&0));
        match read {
            Ok(read) => at_end = read == 0,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        }
        let has_line = memchr(b'\n', &head[begin..]).is_some();
        if has_line || at_end || head.len() >= 2 * examined + FIRST_CHUNK {
            examined = head.len();
            name = Head::new(&head, at_end).format();
        }
    }
    match name {
        Some(name) => Ok((name, Cursor::new(head).chain(input))),
        None => Err(io::Error::new(
            io::ErrorKind::InvalidData,
            format!(
                "the format is not recognized: {}; if it is one of fix, ndjson, csv and alpaca, name it \
                 with --format",
                Head::new(&head, true).found()
            ),
        )),
    }
}

/// The beginning of an input, in UTF-8.
struct Head<'b> {
    bytes: Cow<'b, [u8]>,
    /// Whether the last line is whole, though no line break ends it.
    is_whole: bool,
}

impl<'b> Head<'b> {
    fn new(bytes: &'b [u8], at_end: bool) -> Self {
        let bytes = match marked_encoding(bytes) {
            Some(encoding) => Cow::Owned(encoding.decode(bytes).0.into_owned().into_bytes()),
            None => Cow::Borrowed(bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes)),
        };
        // The first line of a store or of an array may be the whole input.
        let is_whole = at_end || bytes.len() >= LONG_LINE && memchr(b'\n', &bytes).is_none();
        Self { bytes, is_whole }
    }

    /// The lines that are whole and not blank, each with the bytes from its beginning on.
    fn lines(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let mut rest: &[u8] = &self.bytes;
        iter::from_fn(move || {
            let from = rest;
            let length = match memchr2(b'\n', b'\r', rest) {
                Some(end) => end + 1,
                None if self.is_whole && !rest.is_empty() => rest.len(),
                None => return None,
            };
            rest = &rest[length..];
            Some((&from[..length], from))
        })
        .filter(|(line, _)| !line.trim_ascii().is_empty())
    }

    /// The format; none if it is not recognized.
    fn format(&self) -> Option<FormatName> {
        if self.is_whole && self.bytes.trim_ascii().is_empty() {
            // An empty input has no events in any format.
            return Some(FormatName::Ndjson);
        }
        if self.is_whole && self.bytes.contains(&b'[') && self.bytes.iter().all(is_empty_array) {
            // No activities.
            return Some(FormatName::Alpaca);
        }
        let header = self.lines().find(|(line, _)| csv::named_delimiter(line).is_none());
        if header.is_some_and(|(line, _)| csv::is_header(line)) {
            return Some(FormatName::Csv);
        }
        self.lines().find_map(|(line, from)| format_of_line(line, from))
    }

    /// Describes an input whose format is not recognized.
    fn found(&self) -> String {
        let bytes = &self.bytes;
        for (magic, found) in MAGIC {
            if bytes.starts_with(magic) {
                return format!("it is {found}");
            }
        }
        let zeros =
            |first: usize| bytes.iter().skip(first).step_by(2).take(64).filter(|it| **it == 0);
        for (first, name) in [(1, "utf-16le"), (0, "utf-16be")] {
            if zeros(first).count() > 32.min(bytes.len() / 3) {
                return format!(
                    "it looks like UTF-16 without a byte order mark; name the format, and the encoding \
                     with --encoding {name}"
                );
            }
        }
        let Some((line, from)) = self.lines().next() else { return "it has no lines".to_owned() };
        if let Some(flaw) = csv::flaw_of_header(line) {
            return format!("the first line looks like the header of a CSV file, but {flaw}");
        }
        if let Some(start) = object_start(line).filter(|start| is_json_before(&line[..*start])) {
            let object = &from[start..];
            let object = &object[..alpaca::object_end(object, true).unwrap_or(object.len())];
            return match has_key(object, "kind") {
                true => "it has JSON objects with a kind, but not one on each line, as NDJSON has; \
                         `jq -c '.[]?'` writes an array so"
                    .to_owned(),
                false => "it has JSON objects without the kind of an event, and without the stream, event or \
                          activity_type that messages of Alpaca have"
                    .to_owned(),
            };
        }
        let begin = show(&line[..line.len().min(60)]);
        format!(
            "it has no 8=FIX and no JSON objects, and its first line is no CSV header with a kind; it \
             begins with {:?}",
            begin.trim_end()
        )
    }
}

/// What files begin with that are no text, and what they are.
const MAGIC: [(&[u8], &str); 6] = [
    (b"\x1f\x8b", "compressed with gzip; decompress it first"),
    (b"\x28\xb5\x2f\xfd", "compressed with zstd; decompress it first"),
    (b"BZh", "compressed with bzip2; decompress it first"),
    (b"\xfd7zXZ", "compressed with xz; decompress it first"),
    (b"PK\x03\x04", "a zip archive or an Excel workbook; unpack it, or export the sheet as CSV"),
    (b"PAR1", "a Parquet file; export it as CSV or NDJSON"),
];

/// The format that a line shows; `from` goes on after it.
fn format_of_line(line: &[u8], from: &[u8]) -> Option<FormatName> {
    if let Some(start) = object_start(line) {
        let object = &from[start..];
        let object = &object[..alpaca::object_end(object, true).unwrap_or(object.len())];
        let is_one_line = start + object.len() <= line.len();
        let is_in_array = line[..start].trim_ascii_end().ends_with(b"[");
        let has = |key| has_key(object, key);
        if has("kind") && is_one_line && !is_in_array {
            return Some(FormatName::Ndjson);
        }
        // Other logs have an event or a stream too, but not with these.
        if has("activity_type") || has("event") && has("order") || has("stream") && has("data") {
            return Some(FormatName::Alpaca);
        }
    } else if line.trim_ascii().starts_with(b"[") && is_json_before(line) {
        // The first object of an array stands on the next line.
        let start = object_start(from)?;
        return is_json_before(&from[..start])
            .then(|| format_of_line(&from[start..], &from[start..]))
            .flatten();
    }
    // The FIX marker comes last: an event of another format may contain a FIX message as its raw text.
    memmem::find(line, b"8=FIX").map(|_| FormatName::Fix)
}

/// Whether an array that is empty may have this byte.
fn is_empty_array(byte: &u8) -> bool {
    byte.is_ascii_whitespace() || matches!(byte, b'[' | b']')
}

/// Whether only the beginnings of arrays precede an object.
fn is_json_before(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| byte.is_ascii_whitespace() || *byte == b'[')
}

/// Whether these bytes have a JSON key.
fn has_key(bytes: &[u8], key: &str) -> bool {
    let quoted = format!("\"{key}\"");
    let mut places = memmem::find_iter(bytes, &quoted);
    places.any(|place| bytes[place + quoted.len()..].trim_ascii_start().starts_with(b":"))
}

/// Returns the bytes of a message of any format that a break has kept with escapes for those that were not UTF-8. They
/// are decoded, if the encoding is known and the format has it as a whole. None for a message without escapes.
pub(in crate::ingest) fn message_of_kept(kept: &str, options: &ReadOptions) -> Option<Vec<u8>> {
    let bytes = bytes_of_kept(kept)?;
    match options.encoding.filter(|_| FormatName::of(&bytes) != Some(FormatName::Fix)) {
        None => Some(bytes),
        Some(encoding) => {
            let text = encoding.decode_without_bom_handling_and_without_replacement(&bytes)?;
            Some(text.into_owned().into_bytes())
        }
    }
}

/// Reads the first event of a message of any format, such as the message of a break; none if there is none that can be
/// read.
pub(in crate::ingest) fn read_message<'a>(
    message: &'a [u8],
    options: &ReadOptions,
) -> Option<Event<'a>> {
    let mut rest = message;
    let mut format = AnyFormat::new(FormatName::of(rest)?, options);
    while let Some(length) = format.cut(rest, true).filter(|_| !rest.is_empty()) {
        let (unit, after) = rest.split_at_checked(length.max(1))?;
        match format.read(unit, 1) {
            Ok(None) => rest = after,
            Ok(event) => return event,
            Err(_) => return None,
        }
    }
    None
}
