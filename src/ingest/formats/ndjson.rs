//! Events as NDJSON: one object per line.

use std::borrow::Cow;
use std::io::{self, Write};

use encoding_rs::Encoding;
use memchr::memchr;

use super::defects::{self, Unreadable};
use super::fields::{self, FIELDS};
use super::object::{Object, Value, is_remnant, object_start};
use super::reader::{Format, Malformed};
use super::text::{NOT_UTF_8, show};
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
                true => Err(malformed(None, "is a part of a JSON object".to_owned())),
                false => Ok(None),
            };
        };
        let Ok(text) = std::str::from_utf8(&unit[begin..]) else {
            return not_utf_8(&unit[begin..], line).map(Some);
        };
        let mut objects = serde_json::Deserializer::from_str(text).into_iter();
        let Some(Ok(Object(fields))) = objects.next() else {
            let error = serde_json::from_str::<Object<'_>>(text).err();
            return Err(malformed(None, not_an_object(error)));
        };
        let (text, rest) = text.split_at(objects.byte_offset());
        // The line of a log may go on after the object, but not with another one.
        if object_start(rest.as_bytes()).is_some() || is_remnant(rest.as_bytes()) {
            return Err(malformed(None, "has more than one JSON object".to_owned()));
        }
        let mut event =
            Event::new(kind(&fields).map_err(|why| malformed(Some("kind"), why))?, line, text);
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

fn not_an_object(error: Option<serde_json::Error>) -> String {
    // The parser sees one line only, so that its line number would mislead.
    let error = error.map(|error| error.to_string()).unwrap_or_default();
    let why = error.replace("at line 1 column", "at column");
    format!("is not a JSON object of text values: {why}")
}

/// Reads an object that is not UTF-8 as far as it is text: its kind, and the texts that are whole.
fn not_utf_8<'a>(bytes: &'a [u8], line: u64) -> Result<Event<'a>, Malformed> {
    let malformed = || Malformed { line, field: None, why: NOT_UTF_8.to_owned() };
    let lossy = String::from_utf8_lossy(bytes);
    let mut objects = serde_json::Deserializer::from_str(&lossy).into_iter();
    let Some(Ok(Object(fields))) = objects.next() else { return Err(malformed()) };
    let mut event =
        Event::new(kind(&fields).map_err(|_| malformed())?, line, show(bytes.trim_ascii_end()));
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
