//! Fills: the executions of orders, their rows, how they are recorded, amended and read.

mod amend;
mod read;
mod record;

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use uuid::Uuid;

use crate::database::role::Role;
use crate::database::transaction::Tx;
use crate::error::Error;
use crate::schema::fills;
use crate::types::difference::Difference;
use crate::types::price::{Commission, Price};
use crate::types::text;

/// A stored fill: one execution of an order or of a part of it, or an amendment of such a fill.
///
/// Rows are append-only. A bust or a correction is a row of its own that [`amends`](Self::amends) another one,
/// which then no longer counts.
#[derive(HasQuery, Identifiable, Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[diesel(table_name = fills)]
#[diesel(check_for_backend(diesel::pg::Pg))]
pub struct Fill {
    /// Unique id of the fill, given by the store.
    pub id: Uuid,
    /// The order that was filled.
    pub order_id: Uuid,
    /// The trader who owns the order.
    pub trader_id: Uuid,
    /// When the venue executed, busted or corrected it (FIX tag 60, TransactTime).
    pub timestamp: DateTime<Utc>,
    /// Shares filled (FIX tag 32, LastQty); of a bust, those of the busted fill.
    pub quantity_filled: i32,
    /// Price per share in currency units (FIX tag 31, LastPx); of a bust, that of the busted fill.
    pub price_at_fill: Price,
    /// Venue of the execution (FIX tag 30, LastMkt), e.g. XNAS.
    pub venue: String,
    /// Commission for this fill in currency units (FIX tag 12, Commission).
    pub commission: Commission,
    /// When the fill was recorded, by the database's clock.
    pub created_at: DateTime<Utc>,
    /// Id of the execution (FIX tag 17, ExecID), unique per order chain, source and kind: fill, bust or
    /// correction.
    pub execution_id: Option<String>,
    /// The fill that this one busts or corrects, and which no longer counts (FIX tag 19, ExecRefID); `None`
    /// for a fill that is no amendment.
    pub amends: Option<Uuid>,
    /// Whether this is a bust (FIX 150=H, Trade Cancel): it cancels the fill that it amends, and does not
    /// count itself.
    pub is_bust: bool,
    /// The break that was booked as this fill.
    pub break_id: Option<Uuid>,
    /// The first order of the order chain.
    pub root_id: Uuid,
    /// Who assigned the execution id, such as a broker; by default the venue.
    pub source: String,
    /// What the venue paid for this fill, in currency units: a commission below 0 (FIX tag 12).
    pub rebate: Commission,
}

/// A fill to record with [`Fills::record`] or [`Fills::record_batch`].
#[derive(Insertable, Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[diesel(table_name = fills, treat_none_as_default_value = false)]
pub struct NewFill<'a> {
    /// The order that was filled.
    pub order_id: Uuid,
    /// When the venue executed it (FIX tag 60, TransactTime); cut to microseconds.
    pub timestamp: DateTime<Utc>,
    /// Shares filled, at least 1 (FIX tag 32, LastQty).
    pub quantity_filled: i32,
    /// Price per share in currency units (FIX tag 31, LastPx).
    pub price_at_fill: Price,
    /// Venue of the execution, 1 to 50 characters (FIX tag 30, LastMkt), e.g. XNAS.
    pub venue: &'a str,
    /// Commission for this fill in currency units (FIX tag 12, Commission); `Commission::default()` is 0.
    pub commission: Commission,
    /// What the venue paid for this fill, in currency units: a commission below 0 (FIX tag 12).
    pub rebate: Commission,
    /// Who assigned the execution id, 1 to 50 characters; `None` for the venue. Name the broker if one feed
    /// reports executions at several venues.
    #[diesel(skip_insertion)]
    pub source: Option<&'a str>,
    /// Id of the execution, 1 to 64 characters, unique per order chain and source (FIX tag 17, ExecID). It
    /// makes recording idempotent; without one, every call records another fill.
    pub execution_id: Option<&'a str>,
}

impl<'a> NewFill<'a> {
    /// Returns a fill without commission, rebate and execution id. Set these with struct update syntax.
    ///
    /// ```
    /// use tradeblotter::NewFill;
    /// # let order_id = uuid::Uuid::from_u128(1);
    ///
    /// let fill = NewFill {
    ///     commission: "0.40".parse()?,
    ///     execution_id: Some("E-4711"),
    ///     ..NewFill::new(order_id, chrono::Utc::now(), 100, "229.87".parse()?, "XNAS")
    /// };
    /// # Ok::<(), tradeblotter::Error>(())
    /// ```
    pub fn new(
        order_id: Uuid,
        timestamp: DateTime<Utc>,
        quantity_filled: i32,
        price_at_fill: Price,
        venue: &'a str,
    ) -> Self {
        Self {
            order_id,
            timestamp,
            quantity_filled,
            price_at_fill,
            venue,
            commission: Commission::default(),
            rebate: Commission::default(),
            source: None,
            execution_id: None,
        }
    }

    /// Returns who assigned the execution id: the venue, if nobody is named.
    pub(crate) fn source(&self) -> &'a str {
        self.source.unwrap_or(self.venue)
    }
}

/// A bust to record with [`Fills::bust`]: the venue cancels a fill (FIX 150=H, Trade Cancel).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct NewBust<'a> {
    /// The fill to bust; if it was corrected, its last correction.
    pub amends: Uuid,
    /// When the venue cancelled the fill (FIX tag 60, TransactTime); cut to microseconds.
    pub timestamp: DateTime<Utc>,
    /// The venue's id of the bust itself, 1 to 64 characters (FIX tag 17, ExecID). It makes recording
    /// idempotent.
    pub execution_id: Option<&'a str>,
}

/// A correction to record with [`Fills::correct`]: the venue changes quantity, price or commission of a fill
/// (FIX 150=G, Trade Correct).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct NewCorrection<'a> {
    /// The fill to correct; if it was corrected before, its last correction.
    pub amends: Uuid,
    /// When the venue corrected it (FIX tag 60, TransactTime); cut to microseconds.
    pub timestamp: DateTime<Utc>,
    /// The right number of shares, at least 1 (FIX tag 32, LastQty).
    pub quantity_filled: i32,
    /// The right price per share in currency units (FIX tag 31, LastPx).
    pub price_at_fill: Price,
    /// The right commission in currency units (FIX tag 12, Commission).
    pub commission: Commission,
    /// The right rebate in currency units: a commission below 0 (FIX tag 12).
    pub rebate: Commission,
    /// The venue's id of the correction itself, 1 to 64 characters (FIX tag 17, ExecID). It makes recording
    /// idempotent.
    pub execution_id: Option<&'a str>,
}

/// The repository of fills, from [`Tx::fills`].
///
/// Every role reads fills; only the engine records and amends them. A trader's session reads only the fills of
/// the trader's own orders: row-level security hides the others.
pub struct Fills<'c, R> {
    pub(crate) conn: &'c mut PgConnection,
    pub(crate) role: R,
}

impl<R: Role> Tx<'_, R> {
    /// Returns the repository of fills, on this transaction.
    pub fn fills(&mut self) -> Fills<'_, R> {
        Fills { role: self.role(), conn: self.conn() }
    }
}

/// A fill, bust or correction that is stored, and whether this call has stored it.
#[derive(Debug)]
pub(crate) enum StoredFill {
    /// This call has stored it.
    New(Fill),
    /// It was stored before, under the same execution id or the same id.
    Known(Fill),
}

impl StoredFill {
    /// Returns the row of it.
    fn into_fill(self) -> Fill {
        match self {
            Self::New(fill) | Self::Known(fill) => fill,
        }
    }
}

/// Refuses an execution id that is blank, longer than 64 characters, or contains a control character.
pub(crate) fn check_execution_id(id: Option<&str>) -> Result<(), Error> {
    id.map_or(Ok(()), |id| text::check_name("execution id", id, text::MAX_ID))
}

/// Returns the stored fill, or [`Error::is_mismatch`] if it differs from the one that was to be stored under
/// the same execution id, or under the same id if it has none.
fn stored_or_mismatch(
    stored: Fill,
    execution_id: Option<&str>,
    differing: Vec<Difference>,
) -> Result<StoredFill, Error> {
    if differing.is_empty() {
        return Ok(StoredFill::Known(stored));
    }
    Err(mismatch(&stored, execution_id, differing))
}

/// Returns the error for other content under the execution id of a stored fill, or under its id.
pub(crate) fn mismatch(
    stored: &Fill,
    execution_id: Option<&str>,
    differing: Vec<Difference>,
) -> Error {
    let key = match execution_id {
        Some(id) => format!("execution id {id:?} of {}", stored.source),
        None => "this id".to_owned(),
    };
    Error::mismatch("fill", stored.id, key, differing)
}
