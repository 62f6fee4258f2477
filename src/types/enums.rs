//! The PostgreSQL enums as Rust enums.
//!
//! Each displays as its database label, parses from it, and lists its variants in the database's order
//! as `ALL`. A label in the database that this build does not know makes the query return an error; it
//! never panics.
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
    /// At the best available price (FIX 40=1).
    Market,
    /// At the order's price or better (FIX 40=2).
    Limit,
    /// A market order as soon as the trigger price has traded (FIX 40=3).
    Stop,
}

/// Whether an order buys or sells (FIX tag 54, Side).
#[derive(DbEnum, Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "SCREAMING_SNAKE_CASE"))]
#[ExistingTypePath = "crate::schema::sql_types::SideEnum"]
#[DbValueStyle = "SCREAMING_SNAKE_CASE"]
pub enum Side {
    /// Buys (FIX 54=1).
    Buy,
    /// Sells (FIX 54=2).
    Sell,
    /// Sells borrowed shares (FIX 54=5).
    SellShort,
    /// Sells borrowed shares, exempt from the price test (FIX 54=6; SEC Rule 201 of Regulation SHO).
    SellShortExempt,
}

/// How long an order stays open (FIX tag 59, TimeInForce). FIX reads a missing one as DAY.
#[derive(DbEnum, Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "SCREAMING_SNAKE_CASE"))]
#[ExistingTypePath = "crate::schema::sql_types::TimeInForceEnum"]
#[DbValueStyle = "SCREAMING_SNAKE_CASE"]
pub enum TimeInForce {
    /// For the trading day (FIX 59=0).
    Day,
    /// Good till cancelled (FIX 59=1).
    Gtc,
    /// At the opening (FIX 59=2).
    Opg,
    /// Immediate or cancel: fill at once what can be filled, cancel the rest (FIX 59=3).
    Ioc,
    /// Fill or kill: fill the whole order at once, or cancel it (FIX 59=4).
    Fok,
    /// Good till crossing (FIX 59=5).
    Gtx,
    /// Good till the order's date of expiry (FIX 59=6).
    Gtd,
    /// At the close (FIX 59=7).
    Cls,
}

/// The status of an order (FIX tag 39, OrdStatus), which the database derives from fills and actions.
#[derive(DbEnum, Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "SCREAMING_SNAKE_CASE"))]
#[ExistingTypePath = "crate::schema::sql_types::OrderStatusEnum"]
#[DbValueStyle = "SCREAMING_SNAKE_CASE"]
pub enum OrderStatus {
    /// Nothing is filled yet (FIX 39=A or 39=0).
    Pending,
    /// All shares are filled (FIX 39=2). The order has ended, unless a bust or a correction reopens it.
    Filled,
    /// Some shares are filled (FIX 39=1); the rest can still be filled.
    Partial,
    /// The venue refused the order (FIX 39=8). The order has ended.
    Rejected,
    /// The order was cancelled (FIX 39=4); fills from before stay. The order has ended.
    Cancelled,
}

/// The action of an execution log entry: what happened to an order.
#[derive(DbEnum, Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "SCREAMING_SNAKE_CASE"))]
#[ExistingTypePath = "crate::schema::sql_types::ActionEnum"]
#[DbValueStyle = "SCREAMING_SNAKE_CASE"]
pub enum Action {
    /// The order was submitted. Only the database logs it.
    Submitted,
    /// The order passed the checks before it is routed.
    Approved,
    /// The order was routed to the venue.
    Executed,
    /// The order was filled, in part or whole. Only the database logs it.
    Filled,
    /// The venue refused the order.
    Rejected,
    /// The rest of the order was cancelled.
    Cancelled,
    /// A retry, or a repair after a reconciliation. The database also logs it for busts, corrections,
    /// breaks and resolutions.
    Recovered,
}

/// The reason of a break: why a report could not be applied, or that totals differ.
#[derive(DbEnum, Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "SCREAMING_SNAKE_CASE"))]
#[ExistingTypePath = "crate::schema::sql_types::BreakReasonEnum"]
#[DbValueStyle = "SCREAMING_SNAKE_CASE"]
pub enum BreakReason {
    /// No such order is stored.
    UnknownOrder,
    /// The execution busts or corrects a fill that the order chain does not have, or several of other sources.
    UnknownFill,
    /// The fills of the order would exceed its quantity.
    OverFill,
    /// The order was already REJECTED or CANCELLED.
    OrderEnded,
    /// The price or the commission has more decimal places than its column keeps.
    Precision,
    /// An execution with different content is stored under the same execution id.
    Mismatch,
    /// The execution is malformed: a fraction of a share, less than one share, no price, a bust of a bust.
    Invalid,
    /// Not an execution: the totals of the order that the venue reports differ from the store's.
    Totals,
    /// Not an execution: an order that cannot be stored, such as one for a fraction of a share.
    InvalidOrder,
    /// Not an execution: another report that could not be applied, such as an acknowledgement, a cancel, a
    /// reject or a replacement.
    UnappliedAction,
}

impl BreakReason {
    /// The reasons of breaks that hold no execution, and so can only be dismissed.
    pub(crate) const NO_EXECUTION: [Self; 3] =
        [Self::Totals, Self::InvalidOrder, Self::UnappliedAction];

    /// Returns whether a break for this reason holds an execution, which can be booked as a fill.
    pub fn is_execution(self) -> bool {
        !Self::NO_EXECUTION.contains(&self)
    }
}

impl Side {
    /// Returns whether the order buys; all other sides sell.
    pub fn is_buy(self) -> bool {
        self == Self::Buy
    }
}

impl OrderStatus {
    /// The statuses of an order that can still be filled.
    pub const OPEN: &'static [Self] = &[Self::Pending, Self::Partial];

    /// Returns whether an order of this status can still be filled, rejected or cancelled.
    pub fn is_open(self) -> bool {
        Self::OPEN.contains(&self)
    }
}

/// Gives an enum its labels: `ALL`, `label()`, `Display` and `FromStr`. A test reads each label of a
/// database enum back from PostgreSQL.
// Not `strum`: with it each enum needs four derives, a function for its parse error, and the same
// inherent `ALL` and `label()` on top; and every build of the library one more procedural macro.
macro_rules! labels {
    ($enum:ident, $noun:literal, $($(#[$cfg:meta])? $variant:ident = $label:literal),+) => {
        impl $enum {
            /// Every variant, in the database's order.
            pub const ALL: &'static [Self] = &[$($(#[$cfg])? Self::$variant),+];

            /// Returns the label, as the database or the command line spells it.
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

            /// Parses a label, in its exact spelling; anything else is [`Error::is_invalid_input`].
            fn from_str(text: &str) -> Result<Self, Error> {
                let found = Self::ALL.iter().find(|variant| variant.label() == text);
                found.copied().ok_or_else(|| {
                    let labels: Vec<_> = Self::ALL.iter().map(|variant| variant.label()).collect();
                    Error::invalid($noun, text, format!("must be one of {}", labels.join(" ")))
                })
            }
        }
    };
}

#[cfg(any(feature = "ingest", feature = "report"))]
pub(crate) use labels;

labels!(OrderType, "order type", Market = "MARKET", Limit = "LIMIT", Stop = "STOP");
labels!(
    Side,
    "side",
    Buy = "BUY",
    Sell = "SELL",
    SellShort = "SELL_SHORT",
    SellShortExempt = "SELL_SHORT_EXEMPT"
);
labels!(
    TimeInForce,
    "time in force",
    Day = "DAY",
    Gtc = "GTC",
    Opg = "OPG",
    Ioc = "IOC",
    Fok = "FOK",
    Gtx = "GTX",
    Gtd = "GTD",
    Cls = "CLS"
);
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
    Totals = "TOTALS",
    InvalidOrder = "INVALID_ORDER",
    UnappliedAction = "UNAPPLIED_ACTION"
);
