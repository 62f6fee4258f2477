//! Events as CSV (RFC 4180), and as spreadsheets write it.

use std::borrow::Cow;
use std::cell::RefCell;
use std::io::{self, Write};
use std::ops::Range;

use csv_core::ReadFieldResult;
use encoding_rs::Encoding;
use memchr::{memchr, memchr2};

use super::defects::{self, Unreadable};
use super::fields::{self, FIELDS};
use super::reader::{Format, Malformed};
use super::text::{NOT_UTF_8, keep};
use crate::ingest::event::{Event, Kind};

/// Bytes that a row with line breaks in quoted values may have. A quote that is not closed within them costs
/// its own line only.
const MAX_QUOTED: usize = 1 << 16;

/// The delimiters that a header is tried with.
const DELIMITERS: [u8; 4] = [b',', b';', b'\t', b'|'];

/// Reads and writes events as CSV (RFC 4180): a header line with names of fields of [`Event`], then one row
/// per event.
///
/// The header has any of the fields in any order; `kind` is required. Numbers are plain decimals, times are
/// RFC 3339, an empty value is `None`. The delimiter may be a comma, a semicolon, a tab or `|`: the one with
/// which the header has names of fields, or that a line `sep=;` before it names. Rows without values are
/// skipped.
///
/// A header with an unknown or repeated field is [`Malformed`], and so nothing after it is read. A row with more
/// or fewer values than the header, or with a quote that is not closed, ends with its line. It becomes an event of
/// its kind with a [`defect`](Event::defect) and no other field, because nothing tells which value belongs to which
/// column. A row of an unknown kind is taken for a fill with a defect if it has a `last_quantity`. A row whose kind
/// cannot be told otherwise is [`Malformed`].
///
/// A value of the wrong form becomes the defect of the event, or its [`note`](Event::note) if it can be applied
/// without the field. [`Event::raw`] is the header and the row.
#[derive(Clone, Debug, Default)]
pub struct Csv {
    pub(super) encoding: Option<&'static Encoding>,
    tokenizer: Tokenizer,
    /// Whether a line has named the delimiter.
    is_delimiter_named: bool,
    header: Header,
}

/// The state of the header.
#[derive(Clone, Debug, Default)]
enum Header {
    #[default]
    Unread,
    Read {
        line: String,
        columns: Vec<Column>,
    },
    /// The header is malformed, so no row can be read.
    Wrong,
}

/// A column: the field of its values; none in a column without a name, which has no values.
type Column = Option<&'static str>;

impl Csv {
    /// Writes the header line.
    ///
    /// # Errors
    ///
    /// Errors of the output.
    pub fn write_header(out: &mut impl Write) -> io::Result<()> {
        write_record(FIELDS, out)
    }

    /// Writes an event as one row.
    ///
    /// # Errors
    ///
    /// Errors of the output.
    pub fn write(event: &Event<'_>, out: &mut impl Write) -> io::Result<()> {
        // An empty value is written as an absent one: no field has an empty value.
        let values = FIELDS.iter().map(|field| fields::get(event, field).unwrap_or_default());
        write_record(values.map(|value| value.into_owned()), out)
    }
}

fn write_record(
    values: impl IntoIterator<Item: AsRef<[u8]>>,
    out: &mut impl Write,
) -> io::Result<()> {
    let mut writer = csv::WriterBuilder::new().buffer_capacity(1 << 10).from_writer(out);
    writer.write_record(values)?;
    writer.flush()
}

/// Returns whether a first line is a header, whatever its delimiter.
pub(super) fn is_header(line: &[u8]) -> bool {
    DELIMITERS.iter().any(|delimiter| columns(without_mark(line), *delimiter).is_ok())
}

/// Returns the delimiter that a line `sep=;` names, as spreadsheets write it before the header.
pub(super) fn named_delimiter(line: &[u8]) -> Option<u8> {
    let line = without_mark(line).trim_ascii_end();
    let line = line.strip_prefix(b"\"").and_then(|line| line.strip_suffix(b"\"")).unwrap_or(line);
    match line {
        [name @ .., b'=', delimiter] if name.eq_ignore_ascii_case(b"sep") => Some(*delimiter),
        // A tab is trimmed off with the line break.
        [name @ .., b'='] if name.eq_ignore_ascii_case(b"sep") => Some(b'\t'),
        _ => None,
    }
}

/// Returns what is wrong with a line as a header, if some of its names are fields; none if it is no header.
pub(super) fn flaw_of_header(line: &[u8]) -> Option<String> {
    let line = without_mark(line).trim_ascii_end();
    let delimiter = delimiter_of(line);
    let names = names(line, delimiter);
    let known = names.iter().filter(|name| FIELDS.contains(&name.as_str())).count();
    columns(line, delimiter).err().filter(|_| known > 1)
}

/// The delimiter of a header: the one with which it is one, or else the most frequent one.
fn delimiter_of(line: &[u8]) -> u8 {
    let found = DELIMITERS.iter().find(|delimiter| columns(line, **delimiter).is_ok());
    let count = |delimiter: &&u8| line.iter().filter(|byte| byte == delimiter).count();
    // Of equals the last is the maximum, so the comma comes last.
    let frequent = || DELIMITERS.iter().rev().max_by_key(count);
    found.or_else(frequent).copied().unwrap_or(b',')
}

fn names(line: &[u8], delimiter: u8) -> Vec<String> {
    let tokenizer = Tokenizer::new(delimiter);
    let mut output = Vec::new();
    let spans = tokenizer.fields(line, &mut output);
    let name = |field: &Field| {
        let value = field.value(line, &output).unwrap_or_default();
        String::from_utf8_lossy(&value).trim().to_ascii_lowercase()
    };
    spans.iter().map(name).collect()
}

/// The columns that a header names.
fn columns(line: &[u8], delimiter: u8) -> Result<Vec<Column>, String> {
    let names = names(line, delimiter);
    let mut columns: Vec<Column> = Vec::with_capacity(names.len());
    for name in &names {
        let field = FIELDS.iter().copied().find(|field| field == name);
        if field.is_none() && !name.is_empty() {
            return Err(format!(
                "the header has {name:?}, which is not a field of an event; expected {}",
                FIELDS.join(", ")
            ));
        }
        if field.is_some() && columns.contains(&field) {
            return Err(format!("the header has {name} twice"));
        }
        columns.push(field);
    }
    if !columns.contains(&Some("kind")) {
        return Err("the header lacks kind".to_owned());
    }
    Ok(columns)
}

/// Removes the byte order mark before the first line.
fn without_mark(line: &[u8]) -> &[u8] {
    line.strip_prefix("\u{feff}".as_bytes()).unwrap_or(line)
}

impl Format for Csv {
    fn cut(&self, bytes: &[u8], at_end: bool) -> Option<usize> {
        let end = line_end(bytes, at_end)?;
        let Header::Read { columns, .. } = &self.header else { return Some(end) };
        // Only a quoted value goes on beyond its line.
        if memchr(b'"', &bytes[..end]).is_none() {
            return Some(end);
        }
        let window = &bytes[..bytes.len().min(MAX_QUOTED)];
        match self.tokenizer.record(window, at_end && window.len() == bytes.len()) {
            Some(record) if record.length <= end => Some(end),
            // A stray quote joins lines to a row that has some other number of values, or text after a quote.
            Some(record) if record.is_sound && record.values == columns.len() => {
                // The line break of the row may have two bytes.
                Some(record.length - 1 + line_end(&bytes[record.length - 1..], at_end)?)
            }
            None if window.len() < MAX_QUOTED && !at_end => None,
            _ => Some(end),
        }
    }

    fn read<'a>(&mut self, unit: &'a [u8], line: u64) -> Result<Option<Event<'a>>, Malformed> {
        let malformed = |field: Option<&str>, why: String| Malformed {
            line,
            field: field.map(str::to_owned),
            why,
        };
        let row = match unit {
            [row @ .., b'\r', b'\n'] | [row @ .., b'\n' | b'\r'] => without_mark(row),
            row => without_mark(row),
        };
        let (header, columns) = match &self.header {
            Header::Read { line, columns } => (line, columns),
            Header::Wrong => return Ok(None),
            Header::Unread => {
                return self
                    .read_header(row)
                    .map(|()| None)
                    .map_err(|why| malformed(None, format!("{why}; no row is read")));
            }
        };
        let mut output = Vec::new();
        let row_fields = self.tokenizer.fields(row, &mut output);
        let mut values = Vec::with_capacity(row_fields.len());
        let mut flaw = None;
        for field in &row_fields {
            values.push(field.value(row, &output).unwrap_or_else(|why| {
                flaw.get_or_insert(why.to_owned());
                Cow::default()
            }));
        }
        if flaw.is_none() && values.iter().all(|value| value.is_empty()) {
            return Ok(None);
        }
        if flaw.is_none() && values.len() != columns.len() {
            let (has, named) = (values.len(), columns.len());
            flaw = Some(format!("has {has} values, but the header has {named}"));
        }
        let place = |name| columns.iter().position(|column| *column == Some(name));
        let at = |name| place(name).and_then(|place| values.get(place)).map(|value| &**value);
        let raw = format!("{header}\n{}", keep(row));
        if let Some(why) = flaw {
            // What is wrong may stand before the kind: a value too many or too few, or a quote.
            let delimiter = self.tokenizer.delimiter;
            let pieces = row.split(|byte| *byte == delimiter || *byte == b'"');
            let kind = at("kind").into_iter().chain(pieces).find_map(|it| kind_of(it).ok());
            let kind = kind.ok_or_else(|| malformed(None, why.clone()))?;
            return Ok(Some(defects::unreadable(kind, line, raw, format!("the row {why}"))));
        }
        let (kind, unknown) = match kind_of(at("kind").unwrap_or_default()) {
            Ok(kind) => (kind, None),
            Err(why) if at("last_quantity").is_some_and(|value| !value.is_empty()) => {
                (Kind::Fill, Some(why))
            }
            Err(why) => return Err(malformed(Some("kind"), why)),
        };
        let mut event = Event::new(kind, line, raw);
        event.defect = unknown.map(|why| format!("kind {why}"));
        let mut unreadable = Vec::new();
        let mut has_raw = false;
        for (column, value) in columns.iter().zip(values) {
            if value.is_empty() || *column == Some("kind") {
                continue;
            }
            has_raw |= *column == Some("raw");
            let set = match (column, utf_8(value)) {
                (_, None) => Err(NOT_UTF_8.to_owned()),
                (Some(field), Some(text)) if is_id(field) && is_rounded(&text) => Err(format!(
                    "is {text:?}, which a spreadsheet has rounded; export the column as text"
                )),
                (Some(field), Some(text)) => fields::set(&mut event, field, text),
                (None, Some(text)) => Err(format!("has {text:?}")),
            };
            if let Err(why) = set {
                let field = column.unwrap_or("a column without a name");
                let what = format!("{field} {why}");
                unreadable.push(Unreadable { field: field.to_owned(), what });
            }
        }
        defects::record(&mut event, unreadable, has_raw);
        Ok(Some(event))
    }

    fn encoding(&self) -> Option<&'static Encoding> {
        self.encoding
    }
}

impl Csv {
    /// Reads a line before the header, or the header.
    fn read_header(&mut self, line: &[u8]) -> Result<(), String> {
        if line.trim_ascii().is_empty() {
            return Ok(());
        }
        if !self.is_delimiter_named
            && let Some(delimiter) = named_delimiter(line)
        {
            self.tokenizer = Tokenizer::new(delimiter);
            self.is_delimiter_named = true;
            return Ok(());
        }
        if !self.is_delimiter_named {
            self.tokenizer = Tokenizer::new(delimiter_of(line));
        }
        self.header = Header::Wrong;
        let columns = columns(line, self.tokenizer.delimiter)?;
        self.header = Header::Read { line: keep(line).into_owned(), columns };
        Ok(())
    }
}

/// Returns where the first line of these bytes ends: behind a line feed, a carriage return, or both.
fn line_end(bytes: &[u8], at_end: bool) -> Option<usize> {
    let Some(place) = memchr2(b'\n', b'\r', bytes) else { return at_end.then_some(bytes.len()) };
    match (bytes[place], bytes.get(place + 1)) {
        (b'\r', Some(b'\n')) => Some(place + 2),
        (b'\r', None) if !at_end => None,
        _ => Some(place + 1),
    }
}

/// The text of a value; none if it is not UTF-8.
fn utf_8(value: Cow<'_, [u8]>) -> Option<Cow<'_, str>> {
    match value {
        Cow::Borrowed(bytes) => std::str::from_utf8(bytes).ok().map(Cow::Borrowed),
        Cow::Owned(bytes) => String::from_utf8(bytes).ok().map(Cow::Owned),
    }
}

/// The kind that a value names.
fn kind_of(value: &[u8]) -> Result<Kind, String> {
    match std::str::from_utf8(value) {
        Ok("") => Err("is missing".to_owned()),
        Ok(kind) => fields::parse_kind(kind),
        Err(_) => Err(NOT_UTF_8.to_owned()),
    }
}

/// Whether a field is an id, which may consist of digits.
fn is_id(field: &str) -> bool {
    field.ends_with("_id") || matches!(field, "refers_to" | "account" | "trader")
}

/// Whether a spreadsheet has taken an id of many digits for a number and written it as `1.2E+15`.
fn is_rounded(text: &str) -> bool {
    let Some((number, exponent)) = text.split_once("E+") else { return false };
    let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    whole.len() == 1 && is_digits(whole) && is_digits(fraction) && is_digits(exponent)
}

/// Splits rows into values, with the state machine of the csv crate.
#[derive(Debug)]
struct Tokenizer {
    delimiter: u8,
    /// It is reset before each row. In a cell, since a row is also split to find its end.
    machine: Box<RefCell<csv_core::Reader>>,
}

impl Clone for Tokenizer {
    fn clone(&self) -> Self {
        // A clone of csv_core's machine (0.1.13) lacks a part of its tables.
        Self::new(self.delimiter)
    }
}

impl Default for Tokenizer {
    fn default() -> Self {
        Self::new(b',')
    }
}

/// The extent of a row in bytes that may go on after it.
struct Record {
    length: usize,
    values: usize,
    /// Whether all quoted values end with their closing quote.
    is_sound: bool,
}

/// A value of a row: where it is in the row with its quotes, and in the output without them.
struct Field {
    quoted: Range<usize>,
    unquoted: Range<usize>,
}

impl Tokenizer {
    fn new(delimiter: u8) -> Self {
        let machine = csv_core::ReaderBuilder::new().delimiter(delimiter).build();
        Self { delimiter, machine: Box::new(machine.into()) }
    }

    /// Returns the first row of these bytes; none if it goes on beyond them, which it does not if they are
    /// `whole`.
    fn record(&self, bytes: &[u8], whole: bool) -> Option<Record> {
        let mut machine = self.machine.borrow_mut();
        machine.reset();
        // The machine skips a byte order mark, which would belong to the first value here.
        let mut begin = bytes.len() - without_mark(bytes).len();
        let mut record = Record { length: begin, values: 0, is_sound: true };
        loop {
            // To the machine, no bytes are the end of the input.
            if record.length == bytes.len() && !whole {
                return None;
            }
            let (result, read, _) = machine.read_field(&bytes[record.length..], &mut [0; 256]);
            record.length += read;
            let is_last = match result {
                ReadFieldResult::OutputFull | ReadFieldResult::InputEmpty => continue,
                ReadFieldResult::End => return Some(record),
                ReadFieldResult::Field { record_end } => record_end,
            };
            // The delimiter, or the line break, belongs to no value; the end of the bytes has none.
            let value = &bytes[begin..record.length - usize::from(read > 0)];
            record.is_sound &= quoted(value).is_none_or(|inner| inner.is_ok());
            record.values += 1;
            begin = record.length;
            if is_last {
                return Some(record);
            }
        }
    }

    /// Returns the values of a row, which has no line break at its end.
    fn fields(&self, row: &[u8], output: &mut Vec<u8>) -> Vec<Field> {
        let mut machine = self.machine.borrow_mut();
        machine.reset();
        // Each byte is written at most once.
        output.resize(row.len() + 1, 0);
        let (mut at, mut written) = (0, 0);
        let mut fields: Vec<Field> = Vec::new();
        let (mut begin, mut output_begin) = (0, 0);
        loop {
            let (result, read, wrote) = machine.read_field(&row[at..], &mut output[written..]);
            at += read;
            written += wrote;
            match result {
                ReadFieldResult::InputEmpty => {}
                ReadFieldResult::OutputFull | ReadFieldResult::End => return fields,
                ReadFieldResult::Field { record_end } => {
                    let quoted = begin..at - usize::from(read > 0);
                    fields.push(Field { quoted, unquoted: output_begin..written });
                    (begin, output_begin) = (at, written);
                    if record_end {
                        return fields;
                    }
                }
            }
        }
    }
}

impl Field {
    /// Returns the value without its quotes. It borrows from the row unless it has quotes in it.
    ///
    /// # Errors
    ///
    /// What is wrong with the quotes.
    fn value<'r>(&self, row: &'r [u8], output: &[u8]) -> Result<Cow<'r, [u8]>, &'static str> {
        let value = &row[self.quoted.clone()];
        match quoted(value).transpose()? {
            None => Ok(value.into()),
            Some(inner) if memchr(b'"', inner).is_none() => Ok(inner.into()),
            Some(_) => Ok(output[self.unquoted.clone()].to_vec().into()),
        }
    }
}

/// Returns what is between the quotes of a value; none if it is not quoted. The csv crate takes whatever
/// follows a closing quote as a part of the value, and the end of the input for a closing quote.
fn quoted(value: &[u8]) -> Option<Result<&[u8], &'static str>> {
    let inner = value.strip_prefix(b"\"")?;
    let mut end = 0;
    Some(loop {
        let Some(quote) = memchr(b'"', &inner[end..]) else {
            break Err("has a quoted value without a closing quote");
        };
        end += quote;
        match inner.get(end + 1) {
            None => break Ok(&inner[..end]),
            Some(b'"') => end += 2,
            Some(_) => break Err("has text after the closing quote of a value"),
        }
    })
}
