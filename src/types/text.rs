//! Checks on text before it is stored, and the serialization of decimals and times as text.

use crate::error::Error;

/// The most characters that an id of a client or a venue may have.
pub(crate) const MAX_ID: usize = 64;

/// The most characters that a venue or a source may have.
pub(crate) const MAX_VENUE: usize = 50;

/// Refuses an id, a symbol, an account, a venue or a source that is blank, contains a control character, or is
/// longer than `max` characters, with [`Error::is_invalid_input`].
// In a log with printable separators, a control character in an id can forge fields of the message.
pub(crate) fn check_name(what: &'static str, text: &str, max: usize) -> Result<(), Error> {
    check(what, text, max)?;
    if text.contains(char::is_control) {
        return Err(Error::invalid(what, text, "contains a control character"));
    }
    Ok(())
}

/// Refuses text that is blank, holds a NUL, or is longer than `max` characters, with
/// [`Error::is_invalid_input`].
// PostgreSQL would refuse most of it too, but its "value too long" does not name the column.
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

/// Implements `Serialize` by `Display` and `Deserialize` by `FromStr`. Decimals are serialized as text
/// because most readers take a JSON number for a float.
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

/// Serializes a decimal as text without an exponent.
#[cfg(feature = "serde")]
pub(crate) fn plain<S: serde::Serializer>(
    value: &bigdecimal::BigDecimal,
    to: S,
) -> Result<S::Ok, S::Error> {
    to.serialize_str(&value.to_plain_string())
}

/// Serializes a time as RFC 3339 in UTC, to the microsecond.
#[cfg(feature = "report")]
pub(crate) fn micros<S: serde::Serializer>(
    at: &chrono::DateTime<chrono::Utc>,
    to: S,
) -> Result<S::Ok, S::Error> {
    to.serialize_str(&at.to_rfc3339_opts(chrono::SecondsFormat::Micros, true))
}

/// Serializes an optional time as [`micros`] does.
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
