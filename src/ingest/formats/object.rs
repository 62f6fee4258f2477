//! JSON objects with text values, in the sequence of their fields.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use serde::de::{self, Deserialize, Deserializer, MapAccess, Visitor};

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

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Value<'de>, A::Error> {
                entries(map).map(Value::Object)
            }
        }
        from.deserialize_any(Any)
    }
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
