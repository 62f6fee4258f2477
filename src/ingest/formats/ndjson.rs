//! Events as NDJSON: one object per line.

use std::borrow::Cow;
use std::io::{self, Write};

use encoding_rs::Encoding;
use memchr::memchr;

use super::defects::{self, Unreadable};
use super::fields::{self, FIELDS};
use super::object::{Object, Value, is_remnant, object_start, values_of_key};
use super::reader::{Format, Malformed};
use super::text::{NOT_UTF_8, keep};
use crate::ingest::event::{Event, Kind};

/// Reads and writes events as NDJSON: one object per line, whose keys are the names of the fields of
/// [`Event`].
///
/// Values are text: numbers too, because a JSON number is a float to most readers; only `retry_attempt` and
/// `sequence` may be JSON integers, and `instructions` is an object of texts. Times are RFC 3339. A field that
/// is missing or null is `None`; `kind` is required.
///
/// Text before the object of a line, as logs have it, is skipped, and so is a line without an object. An
/// unknown field, a field that occurs twice, and a value of the wrong form become the
/// [`defect`](Event::defect) of the event, or its [`note`](Event::note) if it can be applied without the field.
///
/// A line with a broken object, or with several, becomes an event of the kind that it names, with a defect and no
/// other field. An object of an unknown kind, and a broken one that names none, is taken for a fill with a defect if
/// it has a `last_quantity`, and is [`Malformed`] otherwise.
///
/// ```
/// use tradeblotter::ingest::{Kind, Ndjson, Reader};
///
/// let input = br#"{"kind":"fill","client_order_id":"A-1","last_quantity":"100","last_price":"10.5"}"#;
/// let mut reader = Reader::new(&input[..], Ndjson::default());
/// let batch = reader.batch(10)?.unwrap();
/// assert_eq!(batch.events[0].kind, Kind::Fill);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Ndjson {
    pub(super) encoding: Option<&'static Encoding>,
}

impl Ndjson {
    /// Writes an event as one line.
    ///
    /// # Errors
    ///
    /// Errors of the output.
    pub fn write(event: &Event<'_>, out: &mut impl Write) -> io::Result<()> {
        let mut separator = "{";
        for field in FIELDS {
            if let Some(text) = fields::get(event, field) {
                write!(out, "{separator}\"{field}\":")?;
                match *field {
                    // It is JSON already.
                    "instructions" => out.write_all(text.as_bytes())?,
                    _ => serde_json::to_writer(&mut *out, &text)?,
                }
                separator = ",";
            }
        }
        out.write_all(b"}\n")
    }
}

impl Format for Ndjson {
    fn cut(&self, bytes: &[u8], at_end: bool) -> Option<usize> {
        memchr(b'\n', bytes).map(|end| end + 1).or(at_end.then_some(bytes.len()))
    }

    fn read<'a>(&mut self, unit: &'a [u8], line: u64) -> Result<Option<Event<'a>>, Malformed> {
        let malformed = |field: Option<&str>, why: String| Malformed {
            line,
            field: field.map(str::to_owned),
            why,
        };
        let Some(begin) = object_start(unit) else {
            return match is_remnant(unit) {
                true => broken(unit, line, "is a part of a JSON object".to_owned()).map(Some),
                false => Ok(None),
            };
        };
        let Ok(text) = std::str::from_utf8(&unit[begin..]) else {
            return not_utf_8(&unit[begin..], line).map(Some);
        };
        let mut objects = serde_json::Deserializer::from_str(text).into_iter();
        let Some(Ok(Object(fields))) = objects.next() else {
            let error = serde_json::from_str::<Object<'_>>(text).err();
            return broken(unit, line, not_an_object(error)).map(Some);
        };
        let (text, rest) = text.split_at(objects.byte_offset());
        // The line of a log may go on after the object, but not with another one.
        if object_start(rest.as_bytes()).is_some() || is_remnant(rest.as_bytes()) {
            return broken(unit, line, "has more than one JSON object".to_owned()).map(Some);
        }
        let has_shares = fields
            .iter()
            .any(|(field, value)| field == "last_quantity" && !matches!(value, Value::Null));
        let (kind, unknown) = match kind(&fields) {
            Ok(kind) => (kind, None),
            Err(why) if has_shares => (Kind::Fill, Some(why)),
            Err(why) => return Err(malformed(Some("kind"), why)),
        };
        let mut event = Event::new(kind, line, text);
        event.defect = unknown.map(|why| format!("kind {why}"));
        let mut unreadable = Vec::new();
        let has_raw = |(field, value): &(Cow<'_, str>, Value<'_>)| {
            field == "raw" && matches!(value, Value::Text(_))
        };
        let has_raw = fields.iter().any(has_raw);
        let mut seen: Vec<&str> = Vec::with_capacity(fields.len());
        for (field, value) in &fields {
            let set = match value {
                _ if seen.contains(&field.as_ref()) => Err("occurs twice".to_owned()),
                Value::Null => Ok(()),
                // It is set, or the defect says what it is.
                _ if field == "kind" => Ok(()),
                Value::Text(text) => fields::set(&mut event, field, text.clone()),
                Value::Integer(number) if field == "retry_attempt" || field == "sequence" => {
                    fields::set(&mut event, field, number.to_string().into())
                }
                Value::Object(object) if field == "instructions" => object
                    .instructions()
                    .map(|instructions| event.instructions = Some(instructions)),
                _ if !FIELDS.contains(&field.as_ref()) => Err(fields::not_a_field()),
                Value::Integer(_) | Value::Object(_) | Value::Other => {
                    Err("is not text; expected text, for numbers too, because a JSON number is a \
                         float to most readers"
                        .to_owned())
                }
            };
            seen.push(field);
            if let Err(why) = set {
                let what = format!("{field} {why}");
                unreadable.push(Unreadable { field: field.to_string(), what });
            }
        }
        defects::record(&mut event, unreadable, has_raw);
        Ok(Some(event))
    }

    fn encoding(&self) -> Option<&'static Encoding> {
        self.encoding
    }
}

/// The kind of an event with these fields.
fn kind(fields: &[(Cow<'_, str>, Value<'_>)]) -> Result<Kind, String> {
    match fields.iter().find(|(field, _)| field == "kind") {
        None | Some((_, Value::Null)) => Err("is missing".to_owned()),
        Some((_, Value::Text(text))) => fields::parse_kind(text),
        Some(_) => Err("is not text".to_owned()),
    }
}

/// Reads a line whose object is broken: the kind that it names, or else a fill if it has a number of shares.
fn broken<'a>(unit: &'a [u8], line: u64, why: String) -> Result<Event<'a>, Malformed> {
    let named = values_of_key(unit, "kind").find_map(|kind| fields::parse_kind(kind).ok());
    let has_shares = || values_of_key(unit, "last_quantity").next().is_some();
    match named.or_else(|| has_shares().then_some(Kind::Fill)) {
        Some(kind) => {
            let raw = keep(unit.trim_ascii());
            Ok(defects::unreadable(kind, line, raw, format!("the line {why}")))
        }
        None => Err(Malformed { line, field: None, why }),
    }
}

fn not_an_object(error: Option<serde_json::Error>) -> String {
    // The parser sees one line only, so that its line number would mislead.
    let error = error.map(|error| error.to_string()).unwrap_or_default();
    let why = error.replace("at line 1 column", "at column");
    format!("is not a JSON object of text values: {why}")
}

/// Reads an object that is not UTF-8 as far as it is text: its kind, and the texts that are whole.
fn not_utf_8<'a>(bytes: &'a [u8], line: u64) -> Result<Event<'a>, Malformed> {
    let lossy = String::from_utf8_lossy(bytes);
    let mut objects = serde_json::Deserializer::from_str(&lossy).into_iter();
    let Some(Ok(Object(fields))) = objects.next() else {
        return broken(bytes, line, NOT_UTF_8.to_owned());
    };
    let Ok(kind) = kind(&fields) else { return broken(bytes, line, NOT_UTF_8.to_owned()) };
    let mut event = Event::new(kind, line, keep(bytes.trim_ascii_end()));
    let whole = |text: &&Cow<'_, str>| !text.contains(char::REPLACEMENT_CHARACTER);
    for (field, value) in &fields {
        if let Value::Text(text) = value
            && let Some(text) = Some(text).filter(whole)
        {
            // What can't be set is not missed: the defect says that the report is not whole.
            let _ = fields::set(&mut event, field, text.clone().into_owned().into());
        }
    }
    event.defect = Some(format!("the report {NOT_UTF_8}"));
    Ok(event)
}
