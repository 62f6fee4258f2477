//! [`Instructions`], the further terms of an order.

use std::collections::BTreeMap;
use std::io::Write;

use diesel::deserialize::{self, FromSql, FromSqlRow};
use diesel::expression::AsExpression;
use diesel::pg::{Pg, PgValue};
use diesel::serialize::{self, IsNull, Output, ToSql};
use diesel::sql_types::Jsonb;

use crate::error::Error;

/// The first byte of PostgreSQL's binary format of jsonb: its version.
const JSONB_VERSION: u8 = 1;

/// The most bytes that the instructions of an order may have as JSON.
const MAX_LENGTH: usize = 65_536;

/// The terms of an order that have no column of their own: each a FIX tag or a name, with its value as text.
///
/// For example 18 (ExecInst), 21 (HandlInst), 110 (MinQty), 111 (MaxFloor) or 528 (OrderCapacity). Up to
/// 65,536 bytes as JSON.
///
/// ```
/// use tradeblotter::Instructions;
///
/// let instructions: Instructions = [("18", "G"), ("110", "200")].into_iter().collect();
/// assert_eq!(instructions.get("110"), Some("200"));
/// assert_eq!(instructions.to_string(), r#"{"110":"200","18":"G"}"#);
/// ```
#[derive(AsExpression, FromSqlRow, Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(transparent))]
#[diesel(sql_type = Jsonb)]
pub struct Instructions(BTreeMap<String, String>);

impl Instructions {
    /// Returns the value of a tag or name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// Returns each tag or name with its value, sorted by name as text.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Returns whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Refuses a blank name, a NUL, and more than 65,536 bytes, with [`Error::is_invalid_input`].
    pub(crate) fn check(&self) -> Result<(), Error> {
        let refuse =
            |why: &'static str| Err(Error::invalid("instructions", &self.to_string(), why));
        if self.iter().any(|(name, _)| name.trim().is_empty()) {
            return refuse("has a blank name");
        }
        // PostgreSQL's jsonb cannot hold it.
        if self.iter().any(|(name, value)| name.contains('\0') || value.contains('\0')) {
            return refuse("contains a NUL character");
        }
        if self.to_string().len() > MAX_LENGTH {
            return refuse("is longer than 65536 bytes");
        }
        Ok(())
    }
}

impl<K: Into<String>, V: Into<String>> FromIterator<(K, V)> for Instructions {
    /// Of two values of one name the last counts.
    fn from_iter<T: IntoIterator<Item = (K, V)>>(pairs: T) -> Self {
        Self(pairs.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
    }
}

impl std::fmt::Display for Instructions {
    /// Writes a JSON object.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let json = serde_json::to_string(&self.0).map_err(|_| std::fmt::Error)?;
        f.write_str(&json)
    }
}

impl ToSql<Jsonb, Pg> for Instructions {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
        out.write_all(&[JSONB_VERSION])?;
        serde_json::to_writer(out, &self.0)?;
        Ok(IsNull::No)
    }
}

impl FromSql<Jsonb, Pg> for Instructions {
    fn from_sql(value: PgValue<'_>) -> deserialize::Result<Self> {
        match value.as_bytes() {
            [JSONB_VERSION, json @ ..] => Ok(Self(serde_json::from_slice(json)?)),
            _ => Err("the server sends jsonb in an unknown format".into()),
        }
    }
}
