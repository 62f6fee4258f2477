//! Orders: their rows, how they are submitted, ended by a timeout, read and rebuilt.
//!
//! `submit` writes, `read` reads, `expire` cancels due orders, `chain` walks from an order to those that it
//! replaced, `totals` compares orders with what a venue reports, and `rebuild` derives orders a second time.

pub(crate) mod chain;
mod expire;
mod read;
pub(crate) mod rebuild;
mod submit;
pub(crate) mod totals;

use bigdecimal::BigDecimal;
use chrono::{DateTime, NaiveDate, Utc};
use diesel::prelude::*;
use uuid::Uuid;

use crate::database::role::Role;
use crate::database::transaction::Tx;
use crate::execution_logs::ExecutionLog;
use crate::fills::Fill;
use crate::schema::orders;
use crate::types::enums::{OrderStatus, OrderType, Side, TimeInForce};
use crate::types::instructions::Instructions;
use crate::types::price::Price;

/// A stored order: its terms, which never change, and its status and totals, which the database derives.
#[derive(HasQuery, Identifiable, Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[diesel(table_name = orders)]
#[diesel(check_for_backend(diesel::pg::Pg))]
pub struct Order {
    /// Unique id of the order, given by the store.
    pub id: Uuid,
    /// The trader who owns the order.
    pub trader_id: Uuid,
    /// Stock symbol (FIX tag 55, Symbol), e.g. AAPL.
    pub symbol: String,
    /// Number of shares to trade (FIX tag 38, OrderQty). Of a replacement: the shares that were still to be
    /// filled.
    pub quantity: i32,
    /// MARKET, LIMIT or STOP (FIX tag 40, OrdType).
    pub order_type: OrderType,
    /// Limit price of a LIMIT order (FIX tag 44, Price) or trigger price of a STOP order (FIX tag 99,
    /// StopPx), in currency units; `None` for a MARKET order.
    pub price: Option<Price>,
    /// Risk-management price in currency units: close the position at this loss.
    pub stop_loss: Option<Price>,
    /// Risk-management price in currency units: close the position at this profit.
    pub take_profit: Option<Price>,
    /// Current status (FIX tag 39, OrdStatus), derived by the database.
    pub status: OrderStatus,
    /// Shares filled so far, without those of orders that it replaces (FIX tag 14, CumQty, is the sum over
    /// the order chain).
    pub filled_quantity: i32,
    /// Average price of the filled shares in currency units (FIX tag 6, AvgPx): the exact
    /// `filled_notional` / `filled_quantity`, rounded half away from zero to the scale of its column.
    /// `None` while nothing is filled.
    pub average_fill_price: Option<Price>,
    /// When the order was submitted, by the database's clock.
    pub created_at: DateTime<Utc>,
    /// When the order last changed: the time of its last entry in the execution log.
    pub updated_at: DateTime<Utc>,
    /// When the order expires; `None` if it has no timeout. [`Orders::expire_due`] cancels it then.
    pub expires_at: Option<DateTime<Utc>>,
    /// Sum of quantity × price over the fills that count, in currency units, exact (FIX tag 381,
    /// GrossTradeAmt).
    #[cfg_attr(feature = "serde", serde(serialize_with = "crate::types::text::plain"))]
    pub filled_notional: BigDecimal,
    /// Buy, sell or sell short (FIX tag 54, Side); `None` if a client of the base schema left it out.
    pub side: Option<Side>,
    /// The client's id of the order, unique per trader and trading day (FIX tag 11, ClOrdID).
    pub client_order_id: Option<String>,
    /// The venue's id of the order (FIX tag 37, OrderID): the first one that an entry of the execution log
    /// names.
    pub venue_order_id: Option<String>,
    /// The order that this one replaces (FIX tag 41, OrigClOrdID). If the replaced order was open, it was
    /// cancelled when this order was submitted.
    pub replaces: Option<Uuid>,
    /// The first order of the order chain: of a replacement the root of the order that it replaces, otherwise
    /// [`id`](Self::id).
    pub root_id: Uuid,
    /// How many breaks name the order, whether open or resolved.
    pub break_count: i32,
    /// Trading day of the client order id, where ids start again each day (FIX tag 75, TradeDate).
    pub trading_day: Option<NaiveDate>,
    /// Account that the order trades for (FIX tag 1, Account).
    pub account: Option<String>,
    /// How long the order stays open (FIX tag 59, TimeInForce); `None` if not stated, which FIX reads as DAY.
    pub time_in_force: Option<TimeInForce>,
    /// Limit price of a stop-limit order in currency units (FIX tag 44, Price, of 40=4); its
    /// [`price`](Self::price) is the trigger.
    pub limit_price: Option<Price>,
    /// Currency of the prices, ISO 4217 (FIX tag 15, Currency).
    pub currency: Option<String>,
    /// When the order was received from the customer (FIX tag 60, TransactTime, of 35=D).
    pub received_at: Option<DateTime<Utc>>,
    /// Further terms of the order.
    pub instructions: Option<Instructions>,
}

/// An order to submit with [`Orders::submit`] or [`Orders::submit_batch`].
///
/// [`NewOrder::market`], [`NewOrder::limit`] and [`NewOrder::stop`] take what each order type requires; set
/// the optional fields with struct update syntax.
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
    /// The trader who owns the order.
    pub trader_id: Uuid,
    /// Buy, sell or sell short (FIX tag 54, Side).
    pub side: Side,
    /// Stock symbol, 1 to 10 characters, or more if the column has been [widened](crate::widths) (FIX tag 55,
    /// Symbol).
    pub symbol: &'a str,
    /// Number of shares to trade, at least 1 (FIX tag 38, OrderQty).
    pub quantity: i32,
    /// MARKET, LIMIT or STOP (FIX tag 40, OrdType).
    pub order_type: OrderType,
    /// Limit price of a LIMIT order (FIX tag 44, Price) or trigger price of a STOP order (FIX tag 99,
    /// StopPx), in currency units; `None` for a MARKET order.
    pub price: Option<Price>,
    /// Risk-management price in currency units: close the position at this loss.
    pub stop_loss: Option<Price>,
    /// Risk-management price in currency units: close the position at this profit.
    pub take_profit: Option<Price>,
    /// When the order expires; `None` for no timeout. Cut to microseconds.
    pub expires_at: Option<DateTime<Utc>>,
    /// The client's id of the order, 1 to 64 characters, unique per trader and trading day (FIX tag 11,
    /// ClOrdID). It makes the submission idempotent; without one, every submission is another order.
    pub client_order_id: Option<&'a str>,
    /// The order to replace (FIX 35=G, tag 41, OrigClOrdID): a PENDING, PARTIAL or FILLED order of the same
    /// trader that has not been replaced yet.
    ///
    /// If it is open, the same statement cancels it. It keeps its fills, so [`quantity`](Self::quantity) is
    /// what is still to be filled. The store does not restrict which terms may differ; that is up to the
    /// venue.
    pub replaces: Option<Uuid>,
    /// Trading day of the client order id, where ids start again each day (FIX tag 75, TradeDate), from year 1
    /// to 9999. Without one, client order ids are unique for ever.
    pub trading_day: Option<NaiveDate>,
    /// Account that the order trades for, 1 to 64 characters (FIX tag 1, Account).
    pub account: Option<&'a str>,
    /// How long the order stays open (FIX tag 59, TimeInForce). The store does not act on it: it cancels an
    /// order only by its [`expires_at`](Self::expires_at).
    pub time_in_force: Option<TimeInForce>,
    /// Limit price of a stop-limit order in currency units (FIX tag 44, Price, of 40=4); only with STOP.
    pub limit_price: Option<Price>,
    /// Currency of the prices: three capital letters, as in ISO 4217 (FIX tag 15, Currency).
    pub currency: Option<&'a str>,
    /// When the order was received from the customer (FIX tag 60, TransactTime, of 35=D); cut to microseconds.
    pub received_at: Option<DateTime<Utc>>,
    /// Further terms of the order.
    pub instructions: Option<&'a Instructions>,
}

impl<'a> NewOrder<'a> {
    /// Returns a MARKET order: trade at the best available price.
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
            trading_day: None,
            account: None,
            time_in_force: None,
            limit_price: None,
            currency: None,
            received_at: None,
            instructions: None,
        }
    }

    /// Returns a LIMIT order: trade at `price` or better.
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

    /// Returns a STOP order: becomes a market order once the symbol trades at `trigger`.
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

/// An order with its fills and its audit trail, from [`Orders::history`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct OrderHistory {
    /// The order, with its current status and totals.
    pub order: Order,
    /// Every fill, bust and correction of the order, oldest first.
    pub fills: Vec<Fill>,
    /// Every entry of the execution log about the order, oldest first.
    pub log: Vec<ExecutionLog>,
}

/// The repository of orders, from [`Tx::orders`].
///
/// Every role reads orders; traders and the engine submit them; the engine also cancels those that are due. A
/// trader's session reads and submits only the trader's own orders: row-level security hides the others.
pub struct Orders<'c, R> {
    pub(crate) conn: &'c mut PgConnection,
    pub(crate) role: R,
}

impl<R: Role> Tx<'_, R> {
    /// Returns the repository of orders, on this transaction.
    pub fn orders(&mut self) -> Orders<'_, R> {
        Orders { role: self.role(), conn: self.conn() }
    }
}
