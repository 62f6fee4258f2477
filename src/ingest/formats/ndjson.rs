//! Events as NDJSON: one object per line.

use std::io::{self, Write};

use super::fields::{self, FIELDS};
use super::object::{Object, Value};
use super::reader::{Format, Malformed};
use crate::ingest::event::{Event, Kind};
use memchr::memchr;

/// Reads and writes events as NDJSON: one object per line, whose keys are the names of the fields of
/// [`Event`].
///
/// Values are text: numbers too, because a JSON number is a float to most readers; only `retry_attempt` and
/// `sequence` may be JSON integers, and `instructions` is an object of texts. Times are RFC 3339. A field that is missing or null is `None`; `kind` is required.
///
/// An unknown field, a field that occurs twice, and a value of the wrong form make the line [`Malformed`],
/// with the name of the field.
///
/// ```
/// use tradeblotter::ingest::{Kind, Ndjson, Reader};
///
/// let input = br#"{"kind":"fill","client_order_id":"A-1","last_quantity":"100","last_price":"10.5"}"#;
/// let mut reader = Reader::new(&input[..], Ndjson);
/// let batch = reader.batch(10)?.unwrap();
/// assert_eq!(batch.events[0].kind, Kind::Fill);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Ndjson;

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
        let malformed = |field: Option<String>, why: String| Malformed { line, field, why };
        let text = std::str::from_utf8(unit)
            .map_err(|_| malformed(None, "is not UTF-8".to_owned()))?
            .trim_matches(['\u{feff}', ' ', '\t', '\r', '\n']);
        if text.is_empty() {
            return Ok(None);
        }
        let Object(fields) = serde_json::from_str(text).map_err(|error| {
            // The parser sees one line only, so that its line number would mislead.
            let why = error.to_string().replace("at line 1 column", "at column");
            malformed(None, format!("is not a JSON object of text values: {why}"))
        })?;
        let mut event = Event::new(Kind::Status, line, text);
        let mut has_kind = false;
        let mut seen: Vec<&str> = Vec::with_capacity(fields.len());
        for (field, value) in &fields {
            if seen.contains(&field.as_ref()) {
                return Err(malformed(Some(field.to_string()), "occurs twice".to_owned()));
            }
            seen.push(field);
            has_kind |= field == "kind";
            let set = match value {
                Value::Null => Ok(()),
                Value::Text(text) => fields::set(&mut event, field, text.clone()),
                Value::Integer(number) if field == "retry_attempt" || field == "sequence" => {
                    fields::set(&mut event, field, number.to_string().into())
                }
                Value::Object(object) if field == "instructions" => object
                    .instructions()
                    .map(|instructions| event.instructions = Some(instructions)),
                Value::Integer(_) | Value::Object(_) | Value::Other => {
                    Err("is not text; expected text, for numbers too, because a JSON number is a \
                         float to most readers"
                        .to_owned())
                }
            };
            set.map_err(|why| malformed(Some(field.to_string()), why))?;
        }
        if !has_kind {
            return Err(malformed(Some("kind".to_owned()), "is missing".to_owned()));
        }
        Ok(Some(event))
    }
}
