//! Keyset pagination: a page is asked for by the last row of the page before.
//!
//! Rows are ordered by time and then by id, so rows that share a timestamp have one fixed order,
//! and rows that arrive while somebody is paging neither repeat nor hide others.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, SecondsFormat, Utc};
use uuid::Uuid;

use crate::error::Error;

/// Where a page ended: the time and the id of its last row.
///
/// Prints as text that can be handed to a client and read back.
///
/// ```
/// use tradeblotter::Cursor;
///
/// let text = "2026-11-22T09:30:00.000001Z_019ab000-0000-7000-8000-000000000001";
/// assert_eq!(text.parse::<Cursor>()?.to_string(), text);
/// assert!("yesterday".parse::<Cursor>().is_err());
/// # Ok::<(), tradeblotter::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Cursor {
    pub(crate) at: DateTime<Utc>,
    pub(crate) id: Uuid,
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}_{}", self.at.to_rfc3339_opts(SecondsFormat::Micros, true), self.id)
    }
}

impl FromStr for Cursor {
    type Err = Error;

    /// Reads what `Display` wrote; anything else is [`Error::is_invalid_input`].
    fn from_str(text: &str) -> Result<Self, Error> {
        let read = || {
            let (at, id) = text.split_once('_')?;
            Some(Self { at: at.parse().ok()?, id: id.parse().ok()? })
        };
        // Both parsers take other spellings too.
        read()
            .filter(|cursor| cursor.to_string() == text)
            .ok_or_else(|| Error::invalid("cursor", text, "is not one that a listing gave"))
    }
}

#[cfg(feature = "serde")]
crate::types::text::serde_as_text!(Cursor);

/// Which rows of a listing: how many, and after which.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Page {
    limit: u16,
    after: Option<Cursor>,
}

impl Page {
    /// The most rows that one page may have.
    pub const MAX: u16 = 1000;

    /// The first `limit` rows. A limit outside 1 to [`Page::MAX`] is refused, with
    /// [`Error::is_invalid_input`], by the query that is given the page.
    pub const fn first(limit: u16) -> Self {
        Self { limit, after: None }
    }

    /// The `limit` rows after the one at the cursor.
    pub const fn after(cursor: Cursor, limit: u16) -> Self {
        Self { limit, after: Some(cursor) }
    }

    pub(crate) fn cursor(&self) -> Option<Cursor> {
        self.after
    }

    /// How many rows to ask the database for: one more than the page, to see whether it is the last.
    pub(crate) fn fetch(&self) -> Result<i64, Error> {
        if (1..=Self::MAX).contains(&self.limit) {
            Ok(i64::from(self.limit) + 1)
        } else {
            let why = format!("must be from 1 to {}", Self::MAX);
            Err(Error::invalid("page limit", &self.limit.to_string(), why))
        }
    }

    pub(crate) fn listing<T>(&self, mut rows: Vec<T>, cursor: impl Fn(&T) -> Cursor) -> Listing<T> {
        let limit = usize::from(self.limit);
        let more = rows.len() > limit;
        rows.truncate(limit);
        let next = rows.last().filter(|_| more).map(cursor);
        Listing { rows, next }
    }
}

/// One page of rows, and where the next one starts.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Listing<T> {
    /// The rows of this page.
    pub rows: Vec<T>,
    /// The cursor for the next page; `None` when this one was the last.
    pub next: Option<Cursor>,
}
