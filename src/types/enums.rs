//! The PostgreSQL enums as Rust enums.
//!
//! Each prints as its database label, parses from it, and lists its variants in the database's
//! order with `ALL`. A label in the database that this build does not know makes the query return
//! an error; it never panics.
//!
//! ```
//! use tradeblotter::{Action, OrderStatus, OrderType};
//!
//! assert_eq!(OrderType::Limit.to_string(), "LIMIT");
//! assert_eq!("PARTIAL".parse::<OrderStatus>()?, OrderStatus::Partial);
//! assert_eq!(Action::ALL.len(), 7);
//! assert!("partial".parse::<OrderStatus>().is_err());
//! # Ok::<(), tradeblotter::Error>(())
//! ```

use std::fmt;
use std::str::FromStr;

use diesel_derive_enum::DbEnum;

use crate::error::Error;

/// How an order is priced (FIX tag 40, OrdType).
#[derive(DbEnum, Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "SCREAMING_SNAKE_CASE"))]
#[ExistingTypePath = "crate::schema::sql_types::OrderTypeEnum"]
#[DbValueStyle = "SCREAMING_SNAKE_CASE"]
pub enum OrderType {
    /// At the best price to be had (FIX 40=1).
    Market,
    /// At the order's price or better (FIX 40=2).
    Limit,
    /// A market order once the order's price has traded (FIX 40=3).
    Stop,
}

/// Which way an order trades (FIX tag 54, Side).
#[derive(DbEnum, Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "SCREAMING_SNAKE_CASE"))]
#[ExistingTypePath = "crate::schema::sql_types::SideEnum"]
#[DbValueStyle = "SCREAMING_SNAKE_CASE"]
pub enum Side {
    /// FIX 54=1.
    Buy,
    /// FIX 54=2.
    Sell,
}

/// Where an order stands (FIX tag 39, OrdStatus).
#[derive(DbEnum, Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "SCREAMING_SNAKE_CASE"))]
#[ExistingTypePath = "crate::schema::sql_types::OrderStatusEnum"]
#[DbValueStyle = "SCREAMING_SNAKE_CASE"]
pub enum OrderStatus {
    /// Nothing is filled yet (FIX 39=A or 39=0).
    Pending,
    /// All of it is filled; the order is over (FIX 39=2), unless a bust or a correction opens it again.
    Filled,
    /// Some of it is filled (FIX 39=1).
    Partial,
    /// Refused by the venue; the order is over (FIX 39=8).
    Rejected,
    /// Cancelled, perhaps after fills that stay; the order is over (FIX 39=4).
    Cancelled,
}

/// What happened to an order: the actions of the execution log.
#[derive(DbEnum, Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "SCREAMING_SNAKE_CASE"))]
#[ExistingTypePath = "crate::schema::sql_types::ActionEnum"]
#[DbValueStyle = "SCREAMING_SNAKE_CASE"]
pub enum Action {
    /// The order was taken into the book; written by the store itself.
    Submitted,
    /// The order passed the checks before routing.
    Approved,
    /// The order was routed to the venue.
    Executed,
    /// The order was filled, in part or whole; written by the store itself.
    Filled,
    /// The venue refused the order.
    Rejected,
    /// The order, or what was left of it, was cancelled.
    Cancelled,
    /// A retry, or a repair after a reconciliation; and, written by the store itself, a bust, a correction,
    /// and what is done about a break.
    Recovered,
}

/// Why an execution can't be applied, or an order's totals can't be right.
#[derive(DbEnum, Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "SCREAMING_SNAKE_CASE"))]
#[ExistingTypePath = "crate::schema::sql_types::BreakReasonEnum"]
#[DbValueStyle = "SCREAMING_SNAKE_CASE"]
pub enum BreakReason {
    /// No such order is stored.
    UnknownOrder,
    /// It busts or corrects a fill that the order does not have.
    UnknownFill,
    /// It would take the order beyond its quantity.
    OverFill,
    /// The order was REJECTED or CANCELLED before it came.
    OrderEnded,
    /// Its price or commission has more decimal places than the column keeps.
    Precision,
    /// Another execution is stored under its id.
    Mismatch,
    /// It is none: of no whole shares, of less than one, at no price, a bust of a bust.
    Invalid,
    /// It is no execution: how the order stands by the venue's account differs from the store's.
    Totals,
}

impl OrderStatus {
    /// The statuses of an order that can still be filled.
    pub const OPEN: &'static [Self] = &[Self::Pending, Self::Partial];

    /// Whether an order of this status can still be filled, rejected or cancelled.
    pub fn is_open(self) -> bool {
        Self::OPEN.contains(&self)
    }
}

/// Gives an enum its labels; a test reads each of them back from PostgreSQL.
macro_rules! labels {
    ($enum:ident, $called:literal, $($(#[$cfg:meta])? $variant:ident = $label:literal),+) => {
        impl $enum {
            /// Every variant, in the order of the labels.
            pub const ALL: &'static [Self] = &[$($(#[$cfg])? Self::$variant),+];

            /// The label, as the database or the command line has it.
            pub fn label(self) -> &'static str {
                match self {
                    $($(#[$cfg])? Self::$variant => $label),+
                }
            }
        }

        impl fmt::Display for $enum {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.label())
            }
        }

        impl FromStr for $enum {
            type Err = Error;

            /// Reads a label exactly as it is written; anything else is [`Error::is_invalid_input`].
            fn from_str(text: &str) -> Result<Self, Error> {
                let found = Self::ALL.iter().find(|variant| variant.label() == text);
                found.copied().ok_or_else(|| {
                    let labels: Vec<_> = Self::ALL.iter().map(|variant| variant.label()).collect();
                    Error::invalid($called, text, format!("must be one of {}", labels.join(" ")))
                })
            }
        }
    };
}

#[cfg(any(feature = "ingest", feature = "report"))]
pub(crate) use labels;

labels!(OrderType, "order type", Market = "MARKET", Limit = "LIMIT", Stop = "STOP");
labels!(Side, "side", Buy = "BUY", Sell = "SELL");
labels!(
    OrderStatus,
    "order status",
    Pending = "PENDING",
    Filled = "FILLED",
    Partial = "PARTIAL",
    Rejected = "REJECTED",
    Cancelled = "CANCELLED"
);
labels!(
    Action,
    "action",
    Submitted = "SUBMITTED",
    Approved = "APPROVED",
    Executed = "EXECUTED",
    Filled = "FILLED",
    Rejected = "REJECTED",
    Cancelled = "CANCELLED",
    Recovered = "RECOVERED"
);
labels!(
    BreakReason,
    "break reason",
    UnknownOrder = "UNKNOWN_ORDER",
    UnknownFill = "UNKNOWN_FILL",
    OverFill = "OVER_FILL",
    OrderEnded = "ORDER_ENDED",
    Precision = "PRECISION",
    Mismatch = "MISMATCH",
    Invalid = "INVALID",
    Totals = "TOTALS"
);
