//! Fills: the executions of orders.

mod amend;
mod read;
mod record;

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use uuid::Uuid;

use crate::database::role::Role;
use crate::database::session::Tx;
use crate::error::Error;
use crate::schema::fills;
use crate::types::difference::Difference;
use crate::types::price::{Commission, Price};
use crate::types::text;

/// One execution of an order, in part or whole.
#[derive(HasQuery, Identifiable, Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[diesel(table_name = fills)]
#[diesel(check_for_backend(diesel::pg::Pg))]
pub struct Fill {
    /// Unique fill identifier.
    pub id: Uuid,
    /// The order that was filled.
    pub order_id: Uuid,
    /// The trader whose order it is.
    pub trader_id: Uuid,
    /// When it occurred at the venue (FIX tag 60, TransactTime).
    pub timestamp: DateTime<Utc>,
    /// Shares filled (FIX tag 32, LastQty).
    pub quantity_filled: i32,
    /// Price per share in currency units (FIX tag 31, LastPx).
    pub price_at_fill: Price,
    /// Where it was executed (FIX tag 30, LastMkt), e.g. NASDAQ.
    pub venue: String,
    /// Commission for this fill in currency units (FIX tag 12).
    pub commission: Commission,
    /// Recorded.
    pub created_at: DateTime<Utc>,
    /// The venue's id of the execution (FIX tag 17, ExecID), unique for its order and venue.
    pub execution_id: Option<String>,
    /// The fill that this one corrects or busts, and which no longer counts (FIX tag 19, ExecRefID).
    pub amends: Option<Uuid>,
    /// Whether it takes back the fill that it amends (FIX 150=H): then it does not count either.
    pub is_bust: bool,
    /// The break that was booked with it.
    pub break_id: Option<Uuid>,
}

/// A fill to record.
#[derive(Insertable, Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[diesel(table_name = fills, treat_none_as_default_value = false)]
pub struct NewFill<'a> {
    /// The order that was filled.
    pub order_id: Uuid,
    /// When it occurred at the venue (FIX tag 60, TransactTime); kept to the microsecond.
    pub timestamp: DateTime<Utc>,
    /// Shares filled (FIX tag 32, LastQty), at least 1.
    pub quantity_filled: i32,
    /// Price per share in currency units (FIX tag 31, LastPx).
    pub price_at_fill: Price,
    /// Where it was executed (FIX tag 30, LastMkt), 1 to 50 characters.
    pub venue: &'a str,
    /// Commission for this fill in currency units (FIX tag 12); `Commission::default()` is none.
    pub commission: Commission,
    /// The venue's id of the execution (FIX tag 17, ExecID), 1 to 64 characters, by which the same fill is known when it is
    /// recorded again. A fill without one counts each time.
    pub execution_id: Option<&'a str>,
}

/// A bust to record: the venue takes back a fill as if it had not been (FIX 150=H, Trade Cancel).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct NewBust<'a> {
    /// The fill that is taken back, or its last correction.
    pub amends: Uuid,
    /// When the venue took it back (FIX tag 60, TransactTime); kept to the microsecond.
    pub timestamp: DateTime<Utc>,
    /// The venue's id of the bust itself, 1 to 64 characters.
    pub execution_id: Option<&'a str>,
}

/// A correction to record: what a fill is said to have been after all (FIX 150=G, Trade Correct).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct NewCorrection<'a> {
    /// The fill that is corrected, or its last correction.
    pub amends: Uuid,
    /// When the venue corrected it (FIX tag 60, TransactTime); kept to the microsecond.
    pub timestamp: DateTime<Utc>,
    /// Shares filled, at least 1.
    pub quantity_filled: i32,
    /// Price per share in currency units.
    pub price_at_fill: Price,
    /// Commission in currency units.
    pub commission: Commission,
    /// The venue's id of the correction itself, 1 to 64 characters.
    pub execution_id: Option<&'a str>,
}

/// The repository of fills, from [`Tx::fills`].
pub struct Fills<'c, R> {
    pub(crate) conn: &'c mut PgConnection,
    pub(crate) role: R,
}

impl<R: Role> Tx<'_, R> {
    /// The fills.
    pub fn fills(&mut self) -> Fills<'_, R> {
        Fills { role: self.role(), conn: self.connection() }
    }
}

pub(crate) fn check_execution_id(id: Option<&str>) -> Result<(), Error> {
    id.map_or(Ok(()), |id| text::check("execution id", id, text::MAX_ID))
}

/// A fill that is stored under an execution id, if it is what was to be stored.
fn same(stored: Fill, execution_id: &str, differing: Vec<Difference>) -> Result<Fill, Error> {
    if differing.is_empty() {
        return Ok(stored);
    }
    Err(mismatch(&stored, execution_id, differing))
}

pub(crate) fn mismatch(stored: &Fill, execution_id: &str, differing: Vec<Difference>) -> Error {
    let key = format!("execution id {execution_id:?} of {}", stored.venue);
    Error::mismatch("fill", stored.id, key, differing)
}
