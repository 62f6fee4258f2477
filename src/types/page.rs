//! Keyset pagination: each page starts after the last row of the page before.
//!
//! Rows are ordered by time and then by id, so rows with the same timestamp have one fixed order, and
//! rows that are added between two pages make no other row appear twice or not at all.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, SecondsFormat, Utc};
use uuid::Uuid;

use crate::error::Error;
use crate::types::years;

/// The end of a page: the time and the id of its last row, after which the next page starts.
///
/// Displays as text that a client can send back, and parses from it.
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

    /// Parses the text of a cursor; any other text is [`Error::is_invalid_input`].
    fn from_str(text: &str) -> Result<Self, Error> {
        let read = || {
            let (at, id) = text.split_once('_')?;
            Some(Self { at: at.parse().ok()?, id: id.parse().ok()? })
        };
        // Both parsers accept other spellings too; a cursor has one.
        read().filter(|cursor| years::has_time(cursor.at) && cursor.to_string() == text).ok_or_else(
            || {
                Error::invalid(
                    "cursor",
                    text,
                    "is not the `next` of a listing; start again from the first page",
                )
            },
        )
    }
}

#[cfg(feature = "serde")]
crate::types::text::serde_as_text!(Cursor);

/// The page of a listing to read: at most how many rows, and after which one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Page {
    limit: u16,
    after: Option<Cursor>,
}

impl Page {
    /// The largest limit of a page, in rows.
    pub const MAX: u16 = 1000;

    /// Makes a page of the first `limit` rows. The query that the page is passed to refuses a limit outside
    /// 1 to [`Page::MAX`], with [`Error::is_invalid_input`].
    pub const fn first(limit: u16) -> Self {
        Self { limit, after: None }
    }

    /// Makes a page of the next `limit` rows after the cursor, which is the `next` of the listing before.
    pub const fn after(cursor: Cursor, limit: u16) -> Self {
        Self { limit, after: Some(cursor) }
    }

    /// Returns the cursor after which the page starts; none for the first page.
    pub(crate) fn cursor(&self) -> Option<Cursor> {
        self.after
    }

    /// Returns the LIMIT of the query: one row more than the page, which shows whether there is a next page.
    pub(crate) fn sql_limit(&self) -> Result<i64, Error> {
        if (1..=Self::MAX).contains(&self.limit) {
            Ok(i64::from(self.limit) + 1)
        } else {
            let why = format!("must be from 1 to {}", Self::MAX);
            Err(Error::invalid("page limit", &self.limit.to_string(), why))
        }
    }

    /// Makes the listing of the rows that were read with [`Page::sql_limit`].
    pub(crate) fn listing<T>(&self, mut rows: Vec<T>, cursor: impl Fn(&T) -> Cursor) -> Listing<T> {
        let limit = usize::from(self.limit);
        let more = rows.len() > limit;
        rows.truncate(limit);
        let next = rows.last().filter(|_| more).map(cursor);
        Listing { rows, next }
    }
}

/// One page of rows, with the cursor of the next.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Listing<T> {
    /// The rows of this page.
    pub rows: Vec<T>,
    /// The cursor for [`Page::after`]; `None` when this page is the last.
    pub next: Option<Cursor>,
}
