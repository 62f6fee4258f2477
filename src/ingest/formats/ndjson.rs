//! Events as NDJSON: one object per line.

use std::borrow::Cow;
use std::fmt;
use std::io::{self, Write};

use memchr::memchr;
use serde::de::{self, Deserialize, Deserializer, MapAccess, Visitor};

use super::fields::{self, FIELDS};
use super::reader::{Format, Malformed};
use crate::ingest::event::{Event, Kind};

/// Reads and writes events as NDJSON: one object per line, whose keys are the names of the fields of
/// [`Event`].
///
/// Values are text: numbers too, because a JSON number is a float to most readers; only `retry_attempt` may
/// be a JSON integer. Times are RFC 3339. A field that is missing or null is `None`; `kind` is required.
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
                serde_json::to_writer(&mut *out, &text)?;
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
                Value::Integer(number) if field == "retry_attempt" => {
                    fields::set(&mut event, field, number.to_string().into())
                }
                Value::Integer(_) | Value::Other => {
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

/// The fields of an object in their sequence, so that one that occurs twice is noticed.
struct Object<'a>(Vec<(Cow<'a, str>, Value<'a>)>);

/// The value of a field.
enum Value<'a> {
    Null,
    Text(Cow<'a, str>),
    Integer(u64),
    Other,
}

impl<'de> Deserialize<'de> for Object<'de> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Fields;
        impl<'de> Visitor<'de> for Fields {
            type Value = Object<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object<'de>, A::Error> {
                let mut fields = Vec::new();
                while let Some((key, value)) = map.next_entry::<Value<'de>, Value<'de>>()? {
                    if let Value::Text(key) = key {
                        fields.push((key, value));
                    }
                }
                Ok(Object(fields))
            }
        }
        from.deserialize_map(Fields)
    }
}

impl<'de> Deserialize<'de> for Value<'de> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Value<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("text")
            }

            fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Value<'de>, E> {
                Ok(Value::Text(Cow::Borrowed(text)))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Value<'de>, E> {
                Ok(Value::Text(Cow::Owned(text.to_owned())))
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Value<'de>, E> {
                Ok(Value::Integer(number))
            }

            fn visit_i64<E: de::Error>(self, _: i64) -> Result<Value<'de>, E> {
                Ok(Value::Other)
            }

            fn visit_f64<E: de::Error>(self, _: f64) -> Result<Value<'de>, E> {
                Ok(Value::Other)
            }

            fn visit_bool<E: de::Error>(self, _: bool) -> Result<Value<'de>, E> {
                Ok(Value::Other)
            }

            fn visit_unit<E: de::Error>(self) -> Result<Value<'de>, E> {
                Ok(Value::Null)
            }
        }
        from.deserialize_any(Any)
    }
}
