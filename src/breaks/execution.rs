//! Executions as venues report them.

#[cfg(feature = "ingest")]
use bigdecimal::RoundingMode;
use bigdecimal::{BigDecimal, ToPrimitive};
use chrono::{DateTime, SubsecRound, Utc};
use diesel::result::Error as DieselError;
use uuid::Uuid;

use crate::error::Error;
use crate::fills::{Fill, check_execution_id};
use crate::types::difference::MICROSECONDS;
use crate::types::enums::BreakReason;
use crate::types::price::{Commission, Price, exceeds_max_scale};
use crate::types::text;
use crate::types::years;

/// Maximum length of a raw message, in characters.
pub(crate) const MAX_RAW: usize = 65_536;

/// Maximum number of digits before the decimal point, and of digits after it, in a reported number.
const MAX_DIGITS: i64 = 20;

/// An execution as a venue reports it, unchecked: its order may be unknown and its price may not fit the
/// columns.
///
/// Unlike a [`NewFill`](crate::NewFill), it can hold every report that a venue may send, so that
/// [`Breaks::record_or_break`](crate::Breaks::record_or_break) can store as a break what is no valid fill.
/// Quantity, price and commission of a bust do not count, since a bust takes back the whole fill; they are
/// stored only if the bust becomes a break.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Execution<'a> {
    /// Whether this is a fill, or a bust or a correction of one (FIX tag 150, ExecType).
    pub kind: ExecutionKind<'a>,
    /// The order that was executed; `None` if it is not known.
    pub order_id: Option<Uuid>,
    /// The trader that the report names. Stored only with a break, and only if the order is not stored:
    /// otherwise the database takes the trader of the order.
    pub trader_id: Option<Uuid>,
    /// The client's id of the order that the report names, 1 to 64 characters (FIX tag 11, ClOrdID). Stored
    /// only with a break.
    pub client_order_id: Option<&'a str>,
    /// When the execution occurred at the venue (FIX tag 60, TransactTime); stored to the microsecond.
    pub timestamp: DateTime<Utc>,
    /// Number of shares (FIX tag 32, LastQty).
    pub quantity: BigDecimal,
    /// Price per share in currency units (FIX tag 31, LastPx).
    pub price: BigDecimal,
    /// Venue of the execution (FIX tag 30, LastMkt), 1 to 50 characters.
    pub venue: &'a str,
    /// Commission in currency units (FIX tag 12).
    pub commission: BigDecimal,
    /// What the venue paid, in currency units: a commission below 0 (FIX tag 12).
    pub rebate: BigDecimal,
    /// Who assigned the execution id, 1 to 50 characters; `None` for the venue.
    pub source: Option<&'a str>,
    /// The venue's identifier of this execution report (FIX tag 17, ExecID), 1 to 64 characters. Makes
    /// recording idempotent.
    pub execution_id: Option<&'a str>,
    /// The message as received, up to 65536 characters. Stored only with a break.
    pub raw: Option<&'a str>,
}

/// The kind of an [`Execution`]: a fill, or a bust or correction of an earlier one.
///
/// `of` is the execution id of the fill to amend, or of an earlier correction of it (FIX tag 19,
/// ExecRefID), 1 to 64 characters; in either case the last correction is amended. For a fill without an
/// execution id, `of` is [`Fill::id`](crate::Fill::id) as text, or the id of the break that it was booked from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub enum ExecutionKind<'a> {
    /// A fill or partial fill (FIX 150=F, Trade).
    Fill,
    /// A correction: the fill has this quantity, price and commission instead (FIX 150=G, Trade Correct).
    Correction {
        /// Execution id of the fill to correct.
        of: &'a str,
    },
    /// A bust: the venue cancels the fill (FIX 150=H, Trade Cancel).
    Bust {
        /// Execution id of the fill to bust.
        of: &'a str,
    },
}

impl<'a> ExecutionKind<'a> {
    /// Returns the kind that the columns `refers_to` and `is_bust` of a break stand for.
    pub(super) fn of_columns(refers_to: Option<&'a str>, is_bust: bool) -> Self {
        match refers_to {
            Some(of) if is_bust => Self::Bust { of },
            Some(of) => Self::Correction { of },
            // The database refuses a bust that refers to nothing (`ck_breaks_bust_refers`).
            None => Self::Fill,
        }
    }

    /// Returns the execution id of the fill that this amends; `None` for a fill.
    pub fn refers_to(self) -> Option<&'a str> {
        match self {
            Self::Fill => None,
            Self::Correction { of } | Self::Bust { of } => Some(of),
        }
    }

    /// Returns whether this is a bust.
    pub fn is_bust(self) -> bool {
        matches!(self, Self::Bust { .. })
    }
}

/// Why an execution was not applied.
pub(super) enum NotApplied {
    /// A rule refused the execution, which makes it a break.
    Refused(BreakReason, String),
    /// An error that says nothing about the execution, such as a lost connection; or a database error
    /// that is yet to be classified.
    Failed(Error),
}

impl From<Error> for NotApplied {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl From<DieselError> for NotApplied {
    fn from(error: DieselError) -> Self {
        Self::Failed(error.into())
    }
}

impl<'a> Execution<'a> {
    /// Returns who assigned the execution id: the venue, if nobody is named.
    pub(crate) fn source(&self) -> &'a str {
        self.source.unwrap_or(self.venue)
    }

    /// Whether time and numbers are those of a stored fill, bust or correction; of a bust, the time.
    pub(super) fn is_recorded_as(&self, stored: &Fill) -> bool {
        let has_same_numbers = || {
            self.quantity == stored.quantity_filled
                && self.price == BigDecimal::from(stored.price_at_fill)
                && self.commission == BigDecimal::from(stored.commission)
                && self.rebate == BigDecimal::from(stored.rebate)
        };
        self.timestamp.trunc_subsecs(MICROSECONDS) == stored.timestamp
            && (self.kind.is_bust() || has_same_numbers())
    }

    /// Whether the report names its order by trader and client order id too, so that a break from before the
    /// order was known can be recognized.
    pub(super) fn names_order_by_client(&self) -> bool {
        self.trader_id.is_some() && self.client_order_id.is_some()
    }

    /// Refuses an execution that does not even fit the columns of a break.
    pub(crate) fn check(&self) -> Result<(), Error> {
        text::check_name("venue", self.venue, text::MAX_VENUE)?;
        text::check_name("source", self.source(), text::MAX_VENUE)?;
        check_execution_id(self.execution_id)?;
        if let Some(id) = self.client_order_id {
            text::check_name("client order id", id, text::MAX_ID)?;
        }
        if self.order_id.is_some_and(|id| id.is_nil()) {
            let nil = Uuid::nil().to_string();
            return Err(Error::invalid("order id", &nil, "is the nil UUID, which no order has"));
        }
        if let Some(id) = self.kind.refers_to() {
            text::check_name("execution id referred to", id, text::MAX_ID)?;
        }
        years::check_time("timestamp", Some(self.timestamp))?;
        if let Some(raw) = self.raw {
            text::check("raw message", raw, MAX_RAW)?;
        }
        for (what, value) in [
            ("quantity", &self.quantity),
            ("price", &self.price),
            ("commission", &self.commission),
            ("rebate", &self.rebate),
        ] {
            if !fits_a_break(value) {
                let why = "has more than 20 digits before or after the point";
                return Err(Error::invalid(what, &value.to_scientific_notation(), why));
            }
        }
        Ok(())
    }

    pub(super) fn shares(&self) -> Result<i32, NotApplied> {
        let whole = self.quantity.is_integer().then(|| self.quantity.to_i32()).flatten();
        whole.filter(|shares| *shares > 0).ok_or_else(|| {
            let quantity = self.quantity.to_plain_string();
            let detail = format!("quantity {quantity} is not a whole number of shares above 0");
            NotApplied::Refused(BreakReason::Invalid, detail)
        })
    }

    pub(super) fn price(&self) -> Result<Price, NotApplied> {
        money(&self.price)
    }

    pub(super) fn commission(&self) -> Result<Commission, NotApplied> {
        money(&self.commission)
    }

    pub(super) fn rebate(&self) -> Result<Commission, NotApplied> {
        money(&self.rebate)
    }
}

/// Whether a number fits the numeric columns of a break: at most [`MAX_DIGITS`] before and after the point.
pub(crate) fn fits_a_break(value: &BigDecimal) -> bool {
    // Checked before normalizing, which would write out every zero of a number like 1e1000000000.
    if value.fractional_digit_count() < -MAX_DIGITS {
        return false;
    }
    let value = value.normalized();
    let scale = value.fractional_digit_count();
    let digits = i64::try_from(value.digits()).unwrap_or(i64::MAX);
    scale <= MAX_DIGITS && digits.saturating_sub(scale) <= MAX_DIGITS
}

/// Returns the number nearest to this one that fits the numeric columns of a break. It is rounded away from 0, so that a
/// fraction of a share stays one.
#[cfg(feature = "ingest")]
pub(crate) fn nearest_in_a_break(value: BigDecimal) -> BigDecimal {
    if fits_a_break(&value) {
        return value;
    }
    let greatest: BigDecimal = BigDecimal::new(1.into(), -MAX_DIGITS) - 1;
    value.clamp(-greatest.clone(), greatest).with_scale_round(MAX_DIGITS, RoundingMode::Up)
}

fn money<T: TryFrom<BigDecimal, Error = Error>>(value: &BigDecimal) -> Result<T, NotApplied> {
    let reason =
        if exceeds_max_scale(value) { BreakReason::Precision } else { BreakReason::Invalid };
    T::try_from(value.clone()).map_err(|why| NotApplied::Refused(reason, why.to_string()))
}
