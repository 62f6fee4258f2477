//! Writing of one line of JSON: names in a fixed order, no spaces, decimals and times as text.

use bigdecimal::BigDecimal;
use chrono::{DateTime, NaiveDate, SecondsFormat, Utc};
use serde_json::Value;
use uuid::Uuid;

use crate::types::instructions::Instructions;

/// An object of the line that is being written.
pub(super) struct Object {
    text: String,
}

impl Object {
    pub fn new() -> Self {
        Self { text: "{".to_owned() }
    }

    /// Ends the object.
    pub fn end(mut self) -> String {
        self.text.push('}');
        self.text
    }

    fn name(&mut self, name: &str) {
        if self.text.len() > 1 {
            self.text.push(',');
        }
        self.quote(name);
        self.text.push(':');
    }

    /// Writes text in quotation marks. Only `"`, `\` and the control characters below U+0020 are escaped.
    fn quote(&mut self, text: &str) {
        if text.bytes().any(|byte| byte < 0x20 || byte == b'"' || byte == b'\\') {
            self.text.push_str(&Value::from(text).to_string());
        } else {
            self.text.push('"');
            self.text.push_str(text);
            self.text.push('"');
        }
    }

    /// Writes an object; null if the row does not exist.
    pub fn object(mut self, name: &str, object: Option<Self>) -> Self {
        self.name(name);
        self.text.push_str(&object.map_or_else(|| "null".to_owned(), Self::end));
        self
    }

    pub fn text<'a>(mut self, name: &str, value: impl Into<Option<&'a str>>) -> Self {
        self.name(name);
        match value.into() {
            Some(text) => self.quote(text),
            None => self.text.push_str("null"),
        }
        self
    }

    pub fn integer(mut self, name: &str, value: impl Into<Option<i64>>) -> Self {
        self.name(name);
        self.text.push_str(&Value::from(value.into()).to_string());
        self
    }

    pub fn boolean(mut self, name: &str, value: bool) -> Self {
        self.name(name);
        self.text.push_str(if value { "true" } else { "false" });
        self
    }

    pub fn uuid(self, name: &str, value: impl Into<Option<Uuid>>) -> Self {
        let mut buffer = Uuid::encode_buffer();
        let text = value.into().map(|id| &*id.hyphenated().encode_lower(&mut buffer));
        self.text(name, text)
    }

    /// Writes a time in UTC, to the microsecond: `2026-11-25T10:47:05.204875Z`.
    pub fn time(self, name: &str, value: impl Into<Option<DateTime<Utc>>>) -> Self {
        let text = value.into().map(|at| at.to_rfc3339_opts(SecondsFormat::Micros, true));
        self.text(name, text.as_deref())
    }

    /// Writes a date: `2026-11-25`.
    pub fn date(self, name: &str, value: Option<NaiveDate>) -> Self {
        let text = value.map(|day| day.to_string());
        self.text(name, text.as_deref())
    }

    /// Writes a decimal without trailing zeros, so that widening the scale of a column changes no leaf.
    pub fn decimal(self, name: &str, value: impl Into<BigDecimal>) -> Self {
        self.optional_decimal(name, Some(value))
    }

    /// Like [`decimal`](Self::decimal), for a decimal that may be null.
    pub fn optional_decimal(self, name: &str, value: Option<impl Into<BigDecimal>>) -> Self {
        let text = value.map(|value| value.into().normalized().to_plain_string());
        self.text(name, text.as_deref())
    }

    /// Writes each name with its value, sorted by the bytes of the name.
    pub fn instructions(self, name: &str, value: Option<&Instructions>) -> Self {
        let pairs = value.map(|value| {
            let mut pairs: Vec<_> = value.iter().collect();
            pairs.sort_unstable();
            pairs.into_iter().fold(Self::new(), |object, (name, value)| object.text(name, value))
        });
        self.object(name, pairs)
    }
}
