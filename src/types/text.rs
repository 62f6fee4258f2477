//! The check on text before it goes into a column, and values that travel as text.

use crate::error::Error;

/// Characters that an id of a client or a venue may have.
pub(crate) const MAX_ID: usize = 64;

/// Refuses what the column would cut, choke on, or keep as a blank: the error names the field
/// instead of an anonymous "value too long".
pub(crate) fn check(what: &'static str, text: &str, max: usize) -> Result<(), Error> {
    if text.trim().is_empty() {
        return Err(Error::invalid(what, text, "is blank"));
    }
    if text.contains('\0') {
        return Err(Error::invalid(what, text, "contains a NUL character"));
    }
    if text.chars().count() > max {
        return Err(Error::invalid(what, text, format!("is longer than {max} characters")));
    }
    Ok(())
}

/// Serializes a type by its `Display` and reads it by its `FromStr`. Decimals travel so because a
/// JSON number is a float to most readers.
#[cfg(feature = "serde")]
macro_rules! serde_as_text {
    ($type:ident) => {
        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str>>::deserialize(from)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}
#[cfg(feature = "serde")]
pub(crate) use serde_as_text;

/// Serializes a decimal as plain text: digits and a point, and no exponent.
#[cfg(feature = "serde")]
pub(crate) fn plain<S: serde::Serializer>(
    value: &bigdecimal::BigDecimal,
    to: S,
) -> Result<S::Ok, S::Error> {
    to.serialize_str(&value.to_plain_string())
}

/// Serializes a moment in RFC 3339, in UTC, to the microsecond.
#[cfg(feature = "report")]
pub(crate) fn micros<S: serde::Serializer>(
    at: &chrono::DateTime<chrono::Utc>,
    to: S,
) -> Result<S::Ok, S::Error> {
    to.serialize_str(&at.to_rfc3339_opts(chrono::SecondsFormat::Micros, true))
}

/// Serializes a moment, if there is one, as [`micros`] does.
#[cfg(feature = "report")]
pub(crate) fn optional_micros<S: serde::Serializer>(
    at: &Option<chrono::DateTime<chrono::Utc>>,
    to: S,
) -> Result<S::Ok, S::Error> {
    match at {
        Some(at) => micros(at, to),
        None => to.serialize_none(),
    }
}
