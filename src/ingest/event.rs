//! The event: one model for the reports of every format.

use std::borrow::Cow;
use std::fmt;

use bigdecimal::BigDecimal;
use chrono::{DateTime, NaiveDate, Utc};
use uuid::Uuid;

use crate::types::enums::{BreakReason, OrderStatus, OrderType, Side, TimeInForce};
use crate::types::instructions::Instructions;

/// One report of a venue, a broker or a client: what happened to an order, and its state afterwards.
///
/// A field that the report leaves out is `None`. Text is not checked here against the columns of the store:
/// text that is too long is reported as a [`Problem`](super::Problem) when the event is written. Numbers are
/// plain decimals as reported ([`Number`]); prices and amounts are in currency units, quantities in shares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event<'a> {
    /// What happened (FIX tags 35, MsgType; 150, ExecType; 20, ExecTransType).
    pub kind: Kind,
    /// The line of the input on which the report begins, counted from 1.
    pub line: u64,
    /// The store's own id of the row that the event made: of a new order, of a fill, a bust or a correction, of
    /// the entry of an action, of a break, or of the resolution of one. Only in exports.
    pub id: Option<Uuid>,
    /// The store's own id of the order; of a break, of the order that it names, stored or not; of a resolution,
    /// of the order in whose log it is. Only in exports.
    pub order_id: Option<Uuid>,
    /// The store's own id of the order that a new order replaces. Only in exports.
    pub replaces: Option<Uuid>,
    /// The store's own id of the break that a [`Kind::Booked`] or a [`Kind::Dismissed`] resolves. Only in exports.
    pub break_id: Option<Uuid>,
    /// Why a [`Kind::Break`] was stored; [`Event::reason`] is its detail. Only in exports.
    pub break_reason: Option<BreakReason>,
    /// Whether the execution of a [`Kind::Break`] is a bust. Only in exports.
    pub is_bust: Option<bool>,
    /// The trader of the order: the id of a registered trader, or a name of 1 to 100 characters, which is
    /// registered if it is unknown. A new order needs one, unless [`Options::trader`](super::Options::trader)
    /// is set.
    pub trader: Option<Cow<'a, str>>,
    /// The name under which to register `trader` if it is an unknown id. Only in exports.
    pub trader_name: Option<Cow<'a, str>>,
    /// The account that a new order trades for (FIX tag 1, Account); up to 64 characters.
    pub account: Option<Cow<'a, str>>,
    /// The client's id of the order, or of the request to change or cancel it (FIX tag 11, ClOrdID); up to
    /// 64 characters.
    pub client_order_id: Option<Cow<'a, str>>,
    /// The client's id of the order before a change (FIX tag 41, OrigClOrdID); of a new order, of the order
    /// that it replaces.
    pub original_client_order_id: Option<Cow<'a, str>>,
    /// The trading day of the client's id of a new order, if ids start again each day (FIX tag 75, TradeDate).
    pub trading_day: Option<NaiveDate>,
    /// The venue's id of the order (FIX tag 37, OrderID); up to 64 characters.
    pub venue_order_id: Option<Cow<'a, str>>,
    /// The venue's id of the order that this one replaces; no FIX tag. It says that `quantity` is that of this
    /// order alone, also in a [`Kind::Replaced`], and not that of the order chain.
    pub replaces_venue_order_id: Option<Cow<'a, str>>,
    /// The symbol of the stock (FIX tag 55, Symbol).
    pub symbol: Option<Cow<'a, str>>,
    /// Buy or sell (FIX tag 54, Side).
    pub side: Option<Side>,
    /// The type of the order (FIX tag 40, OrdType); `None` also for a type that the store does not have.
    pub order_type: Option<OrderType>,
    /// How long a new order stays open (FIX tag 59, TimeInForce).
    pub time_in_force: Option<TimeInForce>,
    /// The shares of the order (FIX tag 38, OrderQty); in a [`Kind::Replaced`] those of the whole order
    /// chain. It must be whole.
    pub quantity: Option<Number<'a>>,
    /// The limit price of a LIMIT order (FIX tag 44, Price) or the trigger price of a STOP order (99,
    /// StopPx).
    pub price: Option<Number<'a>>,
    /// The limit price of a stop-limit order (FIX tag 44, Price, of 40=4), whose `price` is the trigger.
    pub limit_price: Option<Number<'a>>,
    /// The price at which risk management closes the position at a loss; no FIX tag.
    pub stop_loss: Option<Number<'a>>,
    /// The price at which risk management closes the position at a profit; no FIX tag.
    pub take_profit: Option<Number<'a>>,
    /// When the order expires (FIX tag 126, ExpireTime).
    pub expires_at: Option<DateTime<Utc>>,
    /// When a new order was received from the customer (FIX tag 60, TransactTime, of 35=D).
    pub received_at: Option<DateTime<Utc>>,
    /// Further terms of a new order: each a FIX tag or a name, with its value.
    pub instructions: Option<Instructions>,
    /// The venue's id of the report (FIX tag 17, ExecID), up to 64 characters. An execution without one
    /// can't be recognized when it is read again.
    pub execution_id: Option<Cow<'a, str>>,
    /// The execution id that a bust or a correction amends (FIX tag 19, ExecRefID), which both require; in
    /// exports the store's own id of a fill that has none, or of the break that such a fill was booked from.
    pub refers_to: Option<Cow<'a, str>>,
    /// The venue of the execution (FIX tag 30, LastMkt), up to 50 characters;
    /// [`Options::venue`](super::Options::venue) if it is `None`.
    pub venue: Option<Cow<'a, str>>,
    /// Who assigned `execution_id`, such as a broker, up to 50 characters; the venue if it is `None`.
    pub source: Option<Cow<'a, str>>,
    /// The shares of the fill, or of the fill after a correction (FIX tag 32, LastQty). A fraction becomes
    /// a break.
    pub last_quantity: Option<Number<'a>>,
    /// The price per share of the fill, or of the fill after a correction (FIX tag 31, LastPx). A price
    /// finer than the columns becomes a break.
    pub last_price: Option<Number<'a>>,
    /// The commission, if it is an amount and not a rate (FIX tag 12, Commission, with 13, CommType,
    /// missing or 3).
    pub commission: Option<Number<'a>>,
    /// What the venue paid for the fill: a commission below 0 (FIX tag 12), as a positive amount.
    pub rebate: Option<Number<'a>>,
    /// The currency of the prices (FIX tag 15, Currency): an ISO 4217 code, or one for its hundredth such as
    /// `GBp`. Prices in pence and in pounds are compared as the same price. A new order is stored with an ISO
    /// code only.
    pub currency: Option<Cow<'a, str>>,
    /// When it happened at the venue (FIX tag 60, TransactTime).
    pub at: Option<DateTime<Utc>>,
    /// When the report was sent (FIX tag 52, SendingTime); stands in for `at` where that is missing, see
    /// [`Event::time`].
    pub sent_at: Option<DateTime<Utc>>,
    /// The number of the report within its session (FIX tag 34, MsgSeqNum).
    pub sequence: Option<u64>,
    /// The status of the order after the report (FIX tag 39, OrdStatus); `None` also for a status that the
    /// store does not have.
    pub status: Option<OrderStatus>,
    /// The shares filled so far over the whole order chain (FIX tag 14, CumQty).
    pub cumulative_quantity: Option<Number<'a>>,
    /// The average price of `cumulative_quantity` (FIX tag 6, AvgPx).
    pub average_price: Option<Number<'a>>,
    /// The explanation for people (FIX tag 58, Text). The log cuts it to 1,000 characters.
    pub reason: Option<Cow<'a, str>>,
    /// The venue's code with its tag, e.g. `103=1` (FIX tags 102, CxlRejReason, and 103, OrdRejReason).
    pub error_code: Option<Cow<'a, str>>,
    /// The number of the retry; 0 is the first attempt.
    pub retry_attempt: Option<u32>,
    /// A doubt about the report that people should see, e.g. that a side field can't be read. The event is
    /// applied nevertheless.
    pub note: Option<String>,
    /// Why the report must not be applied, e.g. that its price can't be read. It is kept as a break with this
    /// detail. Only readers set it: reports about orders never go unrecorded.
    pub defect: Option<String>,
    /// The report as it was received. A break keeps up to 65,536 characters of it.
    pub raw: Cow<'a, str>,
}

/// The kind of an event: what happened to the order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum Kind {
    /// A client submitted the order (FIX 35=D).
    NewOrder,
    /// The order passed the checks before routing.
    Approved,
    /// The order was routed to the venue.
    Routed,
    /// The venue accepted the order (FIX 150=0).
    Acknowledged,
    /// The order was filled, in part or whole (FIX 150=F, 1 or 2).
    Fill,
    /// A fill was busted: the venue cancelled it (FIX 150=H, or 20=1).
    Bust,
    /// A fill was corrected (FIX 150=G, or 20=2).
    Correct,
    /// The order was cancelled (FIX 150=4, or 3 with no shares left).
    Cancelled,
    /// The venue rejected the order (FIX 150=8).
    Rejected,
    /// The order replaced another one (FIX 150=5).
    Replaced,
    /// The venue changed the terms of the order by itself (FIX 150=D, Restated).
    Restated,
    /// The order expired (FIX 150=C).
    Expired,
    /// A request to cancel or change the order was rejected (FIX 35=9): the order is unchanged.
    CancelRejected,
    /// The order was retried, or repaired after a reconciliation.
    Recovered,
    /// The venue received the order and has yet to accept it (FIX 150=A, Pending New).
    PendingNew,
    /// The state of the order, unchanged: a status report, a pending state or a request (FIX 150=I, 6, E;
    /// 35=F, G, H, Q).
    Status,
    /// A break was stored: a report that could not be applied, as it was received. Only in exports.
    Break,
    /// A break was booked as a fill, bust or correction. Only in exports.
    Booked,
    /// A break was dismissed. Only in exports.
    Dismissed,
}

impl Kind {
    /// Every kind with its name in NDJSON and CSV.
    pub(super) const NAMES: [(Self, &'static str); 19] = [
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
        (Self::Restated, "restated"),
        (Self::Expired, "expired"),
        (Self::CancelRejected, "cancel_rejected"),
        (Self::Recovered, "recovered"),
        (Self::PendingNew, "pending_new"),
        (Self::Status, "status"),
        (Self::Break, "break"),
        (Self::Booked, "booked"),
        (Self::Dismissed, "dismissed"),
    ];

    /// Returns whether a report of this kind states an execution: a fill, or a bust or correction of one.
    pub fn is_execution(self) -> bool {
        matches!(self, Self::Fill | Self::Bust | Self::Correct)
    }

    /// Returns whether an event of this kind is about a break: its storage or its resolution.
    pub(crate) fn is_about_break(self) -> bool {
        matches!(self, Self::Break | Self::Booked | Self::Dismissed)
    }

    /// Returns whether a report of this kind presents its order as new, with the terms that it was submitted
    /// with.
    pub(crate) fn presents_new(self) -> bool {
        matches!(self, Self::NewOrder | Self::Acknowledged | Self::PendingNew)
    }

    /// Returns whether a report of this kind ends an order, or replaces it by another one.
    pub(crate) fn ends_order(self) -> bool {
        matches!(
            self,
            Self::Cancelled | Self::Expired | Self::Rejected | Self::Replaced | Self::Restated
        )
    }
}

/// A decimal as it was reported: digits with an optional minus sign, an optional point and an optional exponent.
///
/// ```
/// use tradeblotter::ingest::Number;
///
/// assert_eq!(Number::new("10.50").map(|number| number.to_string()).as_deref(), Some("10.50"));
/// assert_eq!(Number::new("1.6992E2").map(Number::value), Some("169.92".parse()?));
/// assert_eq!(Number::new("1,5"), None);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Number<'a>(&'a str);

impl<'a> Event<'a> {
    /// Returns an event of this kind and line, with no other field but the report as it was received.
    pub fn new(kind: Kind, line: u64, raw: impl Into<Cow<'a, str>>) -> Self {
        Self {
            kind,
            line,
            id: None,
            order_id: None,
            replaces: None,
            break_id: None,
            break_reason: None,
            is_bust: None,
            trader: None,
            trader_name: None,
            account: None,
            client_order_id: None,
            original_client_order_id: None,
            trading_day: None,
            venue_order_id: None,
            replaces_venue_order_id: None,
            symbol: None,
            side: None,
            order_type: None,
            time_in_force: None,
            quantity: None,
            price: None,
            limit_price: None,
            stop_loss: None,
            take_profit: None,
            expires_at: None,
            received_at: None,
            instructions: None,
            execution_id: None,
            refers_to: None,
            venue: None,
            source: None,
            last_quantity: None,
            last_price: None,
            commission: None,
            rebate: None,
            currency: None,
            at: None,
            sent_at: None,
            sequence: None,
            status: None,
            cumulative_quantity: None,
            average_price: None,
            reason: None,
            error_code: None,
            retry_attempt: None,
            note: None,
            defect: None,
            raw: raw.into(),
        }
    }

    /// Returns whether the event is of an export: it names rows by the store's own ids.
    pub(crate) fn is_exported(&self) -> bool {
        self.kind.is_about_break() || self.id.is_some() || self.order_id.is_some()
    }

    /// Returns when it happened, or else when the report was sent.
    pub fn time(&self) -> Option<DateTime<Utc>> {
        self.at.or(self.sent_at)
    }
}

impl<'a> Number<'a> {
    /// The most characters that a number may have, as reported and without its exponent.
    pub const MAX_LENGTH: usize = 42;

    /// The greatest exponent, and its negative the least.
    const MAX_EXPONENT: i32 = 30;

    /// Parses a decimal of up to 42 characters; none for other text, such as digits grouped with separators. An
    /// exponent is from -30 to 30, and the number written without it has up to 42 digits.
    pub fn new(text: &'a str) -> Option<Self> {
        let unsigned = text.strip_prefix('-').unwrap_or(text);
        let (mut digits, mut points) = (0, 0);
        for (at, byte) in unsigned.bytes().enumerate() {
            match byte {
                b'0'..=b'9' => digits += 1,
                b'.' => points += 1,
                b'e' | b'E' if Self::has_exponent(unsigned, at) => break,
                _ => return None,
            }
        }
        // FIX allows ".5" and "5." (volume 1, data type float).
        (digits > 0 && points <= 1 && text.len() <= Self::MAX_LENGTH).then_some(Self(text))
    }

    /// Whether an exponent of an allowed size follows the digits that end at `end`.
    #[cold]
    fn has_exponent(unsigned: &str, end: usize) -> bool {
        let exponent = &unsigned[end + 1..];
        let digits = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        let Some(exponent) = exponent.parse::<i32>().ok().filter(|_| digits.len() <= 2) else {
            return false;
        };
        let (whole, fraction) = unsigned[..end].split_once('.').unwrap_or((&unsigned[..end], ""));
        let size = exponent.unsigned_abs() as usize;
        let zeros = size.saturating_sub(if exponent > 0 { fraction.len() } else { whole.len() });
        exponent.abs() <= Self::MAX_EXPONENT
            && whole.len() + fraction.len() + zeros <= Self::MAX_LENGTH
    }

    /// Splits the text at its exponent, which is 0 if there is none.
    fn parts(self) -> (&'a str, i32) {
        match self.0.split_once(['e', 'E']) {
            Some((digits, exponent)) => (digits, exponent.parse().unwrap_or_default()),
            None => (self.0, 0),
        }
    }

    /// Returns the text as it was reported.
    pub fn as_str(self) -> &'a str {
        self.0
    }

    /// Returns the value.
    pub fn value(self) -> BigDecimal {
        let (digits, exponent) = self.parts();
        // They are digits and a point only, so that they always parse.
        let (digits, scale) =
            digits.parse::<BigDecimal>().unwrap_or_default().into_bigint_and_exponent();
        let scale = scale - i64::from(exponent);
        // Without zeros that the exponent only moved before the point: 1E2 is 100.
        let value = BigDecimal::new(digits, scale);
        if scale < 0 { value.with_scale(0) } else { value }
    }

    /// Returns whether the value is 0.
    pub fn is_zero(self) -> bool {
        !self.parts().0.bytes().any(|byte| matches!(byte, b'1'..=b'9'))
    }

    /// Returns whether the value is above 0.
    pub fn is_positive(self) -> bool {
        !self.0.starts_with('-') && !self.is_zero()
    }

    /// Returns the number of digits after the point, including zeros at the end, of the number without its exponent.
    pub fn decimal_places(self) -> usize {
        let (digits, exponent) = self.parts();
        let places = digits.split_once('.').map_or(0, |(_, fraction)| fraction.len());
        usize::try_from(places as i64 - i64::from(exponent)).unwrap_or_default()
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
