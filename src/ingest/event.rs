//! What a report says, whatever format it came in.

use std::borrow::Cow;
use std::fmt;

use bigdecimal::BigDecimal;
use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::types::enums::{OrderStatus, OrderType, Side};

/// Characters that a number may have.
const MAX_NUMBER: usize = 42;

/// One report of a venue, a broker or a client: what happened to an order, and how the order stands by
/// their account. What a report leaves out is `None`.
///
/// Text is as it was reported, nothing of it checked against the columns; numbers are plain decimals.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event<'a> {
    /// What happened.
    pub kind: Kind,
    /// The line of the input that the report begins on, from 1.
    pub line: u64,
    /// The store's own id of the row that the report is about: of the order that is new, of the fill,
    /// bust or correction, of the entry in the log. Only in what the store has written out itself.
    pub id: Option<Uuid>,
    /// The store's own id of the order. Only in what the store has written out itself.
    pub order_id: Option<Uuid>,
    /// The store's own id of the order that a new one replaces. Only in what the store has written out
    /// itself.
    pub replaces: Option<Uuid>,
    /// Who trades: an id or a name.
    pub trader: Option<Cow<'a, str>>,
    /// The name to register a trader under whose id is not known.
    pub trader_name: Option<Cow<'a, str>>,
    /// The client's id of the order, or of the request to change it (FIX tag 11, ClOrdID).
    pub client_order_id: Option<Cow<'a, str>>,
    /// The client's id of the order before it was changed (FIX tag 41, OrigClOrdID). Of a new order: the
    /// one that it replaces.
    pub original_client_order_id: Option<Cow<'a, str>>,
    /// The venue's id of the order (FIX tag 37, OrderID).
    pub venue_order_id: Option<Cow<'a, str>>,
    /// Stock symbol (FIX tag 55).
    pub symbol: Option<Cow<'a, str>>,
    /// Which way it trades (FIX tag 54).
    pub side: Option<Side>,
    /// How it is priced (FIX tag 40).
    pub order_type: Option<OrderType>,
    /// Shares of the order (FIX tag 38, OrderQty): of one that replaces another by [`Kind::Replaced`], with
    /// what the other has filled; otherwise its own.
    pub quantity: Option<Number<'a>>,
    /// Limit price (FIX tag 44), or a STOP's trigger (FIX tag 99), in currency units.
    pub price: Option<Number<'a>>,
    /// Risk-management price in currency units: close the position at this loss.
    pub stop_loss: Option<Number<'a>>,
    /// Risk-management price in currency units: close the position at this profit.
    pub take_profit: Option<Number<'a>>,
    /// When the order expires (FIX tag 126, ExpireTime).
    pub expires_at: Option<DateTime<Utc>>,
    /// The venue's id of the report (FIX tag 17, ExecID).
    pub execution_id: Option<Cow<'a, str>>,
    /// Of a bust or a correction: the venue's id of what it amends (FIX tag 19, ExecRefID).
    pub refers_to: Option<Cow<'a, str>>,
    /// Where it was executed (FIX tag 30, LastMkt).
    pub venue: Option<Cow<'a, str>>,
    /// Shares filled, or what a correction makes of them (FIX tag 32, LastQty).
    pub last_quantity: Option<Number<'a>>,
    /// Price per share of the fill in currency units (FIX tag 31, LastPx).
    pub last_price: Option<Number<'a>>,
    /// Commission in currency units (FIX tag 12), where it is an amount and no rate.
    pub commission: Option<Number<'a>>,
    /// The currency of the prices (FIX tag 15), e.g. GBP, or GBp for pence.
    pub currency: Option<Cow<'a, str>>,
    /// When it happened (FIX tag 60, TransactTime; or else 52, SendingTime).
    pub at: Option<DateTime<Utc>>,
    /// How the order stands after it (FIX tag 39, OrdStatus), where the store has such a status.
    pub status: Option<OrderStatus>,
    /// Shares of the order filled so far (FIX tag 14, CumQty).
    pub cumulative_quantity: Option<Number<'a>>,
    /// Average price of those in currency units (FIX tag 6, AvgPx).
    pub average_price: Option<Number<'a>>,
    /// Why, in words (FIX tag 58, Text).
    pub reason: Option<Cow<'a, str>>,
    /// The venue's code, with its tag, e.g. 103=1 (FIX tags 102, CxlRejReason, and 103, OrdRejReason).
    pub error_code: Option<Cow<'a, str>>,
    /// Number of the retry; 0 = first try.
    pub retry_attempt: Option<u32>,
    /// What is doubtful about the report, to be told to whoever reads it in, e.g. that its checksum is
    /// wrong. It counts all the same.
    pub note: Option<String>,
    /// The report as it came.
    pub raw: Cow<'a, str>,
}

/// What happened to an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum Kind {
    /// It was submitted (FIX 35=D).
    NewOrder,
    /// It passed the checks before routing.
    Approved,
    /// It was routed to the venue.
    Routed,
    /// The venue has taken it (FIX 150=0).
    Acknowledged,
    /// It was filled, in part or whole (FIX 150=F, 1 or 2).
    Fill,
    /// A fill of it was taken back (FIX 150=H, or 20=1).
    Bust,
    /// A fill of it was corrected (FIX 150=G, or 20=2).
    Correct,
    /// It was cancelled (FIX 150=4).
    Cancelled,
    /// The venue has refused it (FIX 150=8).
    Rejected,
    /// It has taken the place of another one (FIX 150=5).
    Replaced,
    /// Its time was up (FIX 150=C).
    Expired,
    /// A request to cancel or change it was refused (FIX 35=9): nothing has happened to it.
    CancelRejected,
    /// A retry, or a repair after a reconciliation.
    Recovered,
    /// Only how it stands was told, or asked: nothing has happened to it.
    Status,
}

impl Kind {
    /// Every kind with its name, as files have it.
    pub(super) const NAMES: [(Self, &'static str); 14] = [
        (Self::NewOrder, "new_order"),
        (Self::Approved, "approved"),
        (Self::Routed, "routed"),
        (Self::Acknowledged, "acknowledged"),
        (Self::Fill, "fill"),
        (Self::Bust, "bust"),
        (Self::Correct, "correct"),
        (Self::Cancelled, "cancelled"),
        (Self::Rejected, "rejected"),
        (Self::Replaced, "replaced"),
        (Self::Expired, "expired"),
        (Self::CancelRejected, "cancel_rejected"),
        (Self::Recovered, "recovered"),
        (Self::Status, "status"),
    ];
}

/// A plain decimal: digits, perhaps a sign, perhaps a point; as it was written.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Number<'a>(&'a str);

impl<'a> Event<'a> {
    /// An event with nothing said but what happened.
    pub fn new(kind: Kind, line: u64, raw: impl Into<Cow<'a, str>>) -> Self {
        Self {
            kind,
            line,
            id: None,
            order_id: None,
            replaces: None,
            trader: None,
            trader_name: None,
            client_order_id: None,
            original_client_order_id: None,
            venue_order_id: None,
            symbol: None,
            side: None,
            order_type: None,
            quantity: None,
            price: None,
            stop_loss: None,
            take_profit: None,
            expires_at: None,
            execution_id: None,
            refers_to: None,
            venue: None,
            last_quantity: None,
            last_price: None,
            commission: None,
            currency: None,
            at: None,
            status: None,
            cumulative_quantity: None,
            average_price: None,
            reason: None,
            error_code: None,
            retry_attempt: None,
            note: None,
            raw: raw.into(),
        }
    }
}

impl<'a> Number<'a> {
    /// The number that the text is, if it is a plain decimal of up to 42 characters: no exponent, no
    /// separators.
    pub fn new(text: &'a str) -> Option<Self> {
        let unsigned = text.strip_prefix('-').unwrap_or(text);
        let (mut digits, mut points) = (0, 0);
        for byte in unsigned.bytes() {
            match byte {
                b'0'..=b'9' => digits += 1,
                b'.' => points += 1,
                _ => return None,
            }
        }
        // FIX allows ".5" and "5." (volume 1, data type float).
        (digits > 0 && points <= 1 && text.len() <= MAX_NUMBER).then_some(Self(text))
    }

    /// As it was written.
    pub fn as_str(self) -> &'a str {
        self.0
    }

    /// Its value.
    pub fn value(self) -> BigDecimal {
        // Of nothing but digits and a point, so it does parse.
        self.0.parse().unwrap_or_default()
    }

    /// Digits after the point, as it was written.
    pub fn decimal_places(self) -> usize {
        self.0.split_once('.').map_or(0, |(_, fraction)| fraction.len())
    }
}

impl fmt::Display for Number<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.0)
    }
}

impl fmt::Debug for Number<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Number({})", self.0)
    }
}
