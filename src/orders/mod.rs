//! Orders: what a trader wants done, and what has become of it.

pub(crate) mod chain;
mod expire;
mod read;
pub(crate) mod rebuild;
mod submit;
pub(crate) mod totals;

use bigdecimal::BigDecimal;
use chrono::{DateTime, Utc};
use diesel::prelude::*;
use uuid::Uuid;

use crate::database::role::Role;
use crate::database::session::Tx;
use crate::execution_logs::ExecutionLog;
use crate::fills::Fill;
use crate::schema::orders;
use crate::types::enums::{OrderStatus, OrderType, Side};
use crate::types::price::Price;

/// An order as it stands.
#[derive(HasQuery, Identifiable, Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[diesel(table_name = orders)]
#[diesel(check_for_backend(diesel::pg::Pg))]
pub struct Order {
    /// Unique order identifier.
    pub id: Uuid,
    /// The trader whose order it is.
    pub trader_id: Uuid,
    /// Stock symbol (FIX tag 55), e.g. AAPL.
    pub symbol: String,
    /// Number of shares to trade (FIX tag 38, OrderQty).
    pub quantity: i32,
    /// How it is priced (FIX tag 40).
    pub order_type: OrderType,
    /// Limit price, or a STOP's trigger, in currency units; none for a market order.
    pub price: Option<Price>,
    /// Risk-management price in currency units: close the position at this loss.
    pub stop_loss: Option<Price>,
    /// Risk-management price in currency units: close the position at this profit.
    pub take_profit: Option<Price>,
    /// Where it stands (FIX tag 39).
    pub status: OrderStatus,
    /// Shares filled so far (FIX tag 14, CumQty).
    pub filled_quantity: i32,
    /// Average price of the fills that count in currency units (FIX tag 6, AvgPx), from their exact sum,
    /// rounded to as many decimal places as its column has, halves away from zero.
    pub average_fill_price: Option<Price>,
    /// Submitted.
    pub created_at: DateTime<Utc>,
    /// Last modified.
    pub updated_at: DateTime<Utc>,
    /// Expiration, if a timeout is set.
    pub expires_at: Option<DateTime<Utc>>,
    /// Sum of quantity × price of the fills that count in currency units, exact (FIX tag 381, GrossTradeAmt).
    #[cfg_attr(feature = "serde", serde(serialize_with = "crate::types::text::plain"))]
    pub filled_notional: BigDecimal,
    /// Which way it trades (FIX tag 54); none where a client of the base schema left it out.
    pub side: Option<Side>,
    /// The client's own id of the order, unique for its trader (FIX tag 11, ClOrdID).
    pub client_order_id: Option<String>,
    /// The venue's id of the order (FIX tag 37, OrderID), once an entry of the log has told it.
    pub venue_order_id: Option<String>,
    /// The order that this one replaces, which ended with it if it had not (FIX tag 41, OrigClOrdID). What has
    /// been filled of the two together is what FIX calls CumQty.
    pub replaces: Option<Uuid>,
}

/// An order to submit.
///
/// The constructors take what each type of order needs; the rest is added by name.
///
/// ```
/// use tradeblotter::{NewOrder, OrderType, Side};
/// # let trader_id = uuid::Uuid::from_u128(1);
///
/// let order = NewOrder {
///     stop_loss: Some("9.00".parse()?),
///     client_order_id: Some("20261125-0001"),
///     ..NewOrder::limit(trader_id, Side::Buy, "AAPL", 100, "10.50".parse()?)
/// };
/// assert_eq!(order.order_type, OrderType::Limit);
/// # Ok::<(), tradeblotter::Error>(())
/// ```
#[derive(Insertable, Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[diesel(table_name = orders, treat_none_as_default_value = false)]
pub struct NewOrder<'a> {
    /// The trader whose order it is.
    pub trader_id: Uuid,
    /// Which way it trades (FIX tag 54).
    pub side: Side,
    /// Stock symbol of 1 to 10 characters.
    pub symbol: &'a str,
    /// Number of shares to trade, at least 1.
    pub quantity: i32,
    /// How it is priced.
    pub order_type: OrderType,
    /// Limit price, or a STOP's trigger, in currency units; none for a market order.
    pub price: Option<Price>,
    /// Risk-management price in currency units: close the position at this loss.
    pub stop_loss: Option<Price>,
    /// Risk-management price in currency units: close the position at this profit.
    pub take_profit: Option<Price>,
    /// Expiration, if a timeout is set; kept to the microsecond.
    pub expires_at: Option<DateTime<Utc>>,
    /// The client's own id of the order (FIX tag 11, ClOrdID), 1 to 64 characters, by which the same
    /// order is known when it is submitted again.
    pub client_order_id: Option<&'a str>,
    /// The order that this one replaces (FIX 35=G): one of the same trader that is PENDING, PARTIAL or
    /// FILLED and not replaced yet; which terms may differ is for the venue to say. An open one is cancelled in the same statement. What it has filled
    /// stays its own: the quantity of the new order is what is still to be filled.
    pub replaces: Option<Uuid>,
}

impl<'a> NewOrder<'a> {
    /// An order at the best price to be had.
    pub fn market(trader_id: Uuid, side: Side, symbol: &'a str, quantity: i32) -> Self {
        Self {
            trader_id,
            side,
            symbol,
            quantity,
            order_type: OrderType::Market,
            price: None,
            stop_loss: None,
            take_profit: None,
            expires_at: None,
            client_order_id: None,
            replaces: None,
        }
    }

    /// An order at `price` or better.
    pub fn limit(
        trader_id: Uuid,
        side: Side,
        symbol: &'a str,
        quantity: i32,
        price: Price,
    ) -> Self {
        Self {
            order_type: OrderType::Limit,
            price: Some(price),
            ..Self::market(trader_id, side, symbol, quantity)
        }
    }

    /// A market order once `trigger` has traded.
    pub fn stop(
        trader_id: Uuid,
        side: Side,
        symbol: &'a str,
        quantity: i32,
        trigger: Price,
    ) -> Self {
        Self {
            order_type: OrderType::Stop,
            price: Some(trigger),
            ..Self::market(trader_id, side, symbol, quantity)
        }
    }
}

/// An order with everything that happened to it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct OrderHistory {
    /// The order as it stands.
    pub order: Order,
    /// Its fills, oldest first.
    pub fills: Vec<Fill>,
    /// Its audit trail, oldest first.
    pub log: Vec<ExecutionLog>,
}

/// The repository of orders, from [`Tx::orders`].
pub struct Orders<'c, R> {
    pub(crate) conn: &'c mut PgConnection,
    pub(crate) role: R,
}

impl<R: Role> Tx<'_, R> {
    /// The orders.
    pub fn orders(&mut self) -> Orders<'_, R> {
        Orders { role: self.role(), conn: self.connection() }
    }
}
