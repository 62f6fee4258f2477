//! JSON objects with text values, in the sequence of their fields.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use memchr::memmem;
use memchr::{memchr, memchr_iter};
use serde::de::{self, Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::types::instructions::Instructions;

/// The fields of an object in their sequence, so that one that occurs twice is noticed.
pub(super) struct Object<'a>(pub Vec<(Cow<'a, str>, Value<'a>)>);

/// The value of a field.
pub(super) enum Value<'a> {
    Null,
    Text(Cow<'a, str>),
    Integer(u64),
    Object(Object<'a>),
    Other,
}

impl Object<'_> {
    /// Returns the object as the instructions of an order.
    ///
    /// # Errors
    ///
    /// The name whose value is not text, or that occurs twice.
    pub fn instructions(&self) -> Result<Instructions, String> {
        let mut pairs: BTreeMap<&str, &str> = BTreeMap::new();
        for (name, value) in &self.0 {
            let Value::Text(text) = value else {
                return Err(format!("has a value of {name:?} that is not text; expected text"));
            };
            if pairs.insert(name, text).is_some() {
                return Err(format!("has {name:?} twice"));
            }
        }
        Ok(pairs.into_iter().collect())
    }
}

impl<'de> Deserialize<'de> for Object<'de> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Fields;
        impl<'de> Visitor<'de> for Fields {
            type Value = Object<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Object<'de>, A::Error> {
                entries(map)
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

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value<'de>, A::Error> {
                while items.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Value::Other)
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Value<'de>, A::Error> {
                entries(map).map(Value::Object)
            }
        }
        from.deserialize_any(Any)
    }
}

/// The fields of an object in their sequence, each with its value as it is written.
pub(super) struct RawObject<'a>(pub Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'a> RawObject<'a> {
    /// Returns the value of a field; none if it is missing or null.
    pub fn get(&self, field: &str) -> Option<&'a str> {
        let (_, value) = self.0.iter().find(|(name, _)| name == field)?;
        Some(value.get()).filter(|value| *value != "null")
    }

    /// Returns the first field that occurs twice.
    pub fn repeated(&self) -> Option<&str> {
        let (name, _) = self.0.iter().enumerate().find_map(|(place, (name, value))| {
            let mut earlier = self.0[..place].iter();
            earlier.any(|(other, _)| other == name).then_some((name, value))
        })?;
        Some(name)
    }
}

impl<'de> Deserialize<'de> for RawObject<'de> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Fields;
        impl<'de> Visitor<'de> for Fields {
            type Value = RawObject<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<RawObject<'de>, A::Error> {
                let mut fields = Vec::new();
                while let Some((key, value)) = map.next_entry::<Value<'de>, &'de RawValue>()? {
                    if let Value::Text(key) = key {
                        fields.push((key, value));
                    }
                }
                Ok(RawObject(fields))
            }
        }
        from.deserialize_map(Fields)
    }
}

/// Returns where the first object begins in a line, behind the text that a log puts before it. Objects begin
/// with `{` and a quote; a brace in other text is not followed by one.
pub(super) fn object_start(line: &[u8]) -> Option<usize> {
    memchr_iter(b'{', line).find(|place| {
        let next = line[place + 1..].iter().find(|byte| !byte.is_ascii_whitespace());
        next.is_none_or(|next| matches!(next, b'"' | b'}'))
    })
}

/// Returns whether text without the beginning of an object looks like a part of one, e.g. of a line that was
/// cut off.
pub(super) fn is_remnant(text: &[u8]) -> bool {
    memmem::find(text, b"\":").is_some() || memmem::find(text, b"\"}").is_some()
}

/// Returns the text values of a key in JSON that may be broken.
pub(super) fn values_of_key<'t>(text: &'t [u8], key: &str) -> impl Iterator<Item = &'t str> {
    let quoted = format!("\"{key}\"");
    let after = |place: usize| {
        let value = text[place + key.len() + 2..].trim_ascii_start().strip_prefix(b":")?;
        let value = value.trim_ascii_start().strip_prefix(b"\"")?;
        std::str::from_utf8(&value[..memchr(b'"', value)?]).ok()
    };
    let places: Vec<usize> = memmem::find_iter(text, &quoted).collect();
    places.into_iter().filter_map(after)
}

fn entries<'de, A: MapAccess<'de>>(mut map: A) -> Result<Object<'de>, A::Error> {
    let mut fields = Vec::new();
    while let Some((key, value)) = map.next_entry::<Value<'de>, Value<'de>>()? {
        if let Value::Text(key) = key {
            fields.push((key, value));
        }
    }
    Ok(Object(fields))
}
