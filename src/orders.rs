//! Orders: what a trader wants done, and what has become of it.

use chrono::{DateTime, Utc};
use diesel::pg::Pg;
use diesel::prelude::*;
use uuid::Uuid;

use crate::enums::{OrderStatus, OrderType};
use crate::error::{Error, OVER_FILL};
use crate::execution_logs::{ExecutionLog, ExecutionLogs};
use crate::fills::{Fill, Fills};
use crate::filter::Filter;
use crate::page::{Cursor, Listing, Page};
use crate::price::Price;
use crate::role::{Role, Trades};
use crate::schema::orders;
use crate::session::Tx;
use crate::text;

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
    /// Average price of all fills in currency units (FIX tag 6, AvgPx), from their exact sum,
    /// rounded to two decimal places, halves away from zero.
    pub average_fill_price: Option<Price>,
    /// Submitted.
    pub created_at: DateTime<Utc>,
    /// Last modified.
    pub updated_at: DateTime<Utc>,
    /// Expiration, if a timeout is set.
    pub expires_at: Option<DateTime<Utc>>,
}

/// An order to submit.
///
/// The constructors take what each type of order needs; the rest is added by name.
///
/// ```
/// use tradeblotter::{NewOrder, OrderType};
/// # let trader_id = uuid::Uuid::from_u128(1);
///
/// let order = NewOrder {
///     stop_loss: Some("9.00".parse()?),
///     ..NewOrder::limit(trader_id, "AAPL", 100, "10.50".parse()?)
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
}

impl<'a> NewOrder<'a> {
    /// An order at the best price to be had.
    pub fn market(trader_id: Uuid, symbol: &'a str, quantity: i32) -> Self {
        Self {
            trader_id,
            symbol,
            quantity,
            order_type: OrderType::Market,
            price: None,
            stop_loss: None,
            take_profit: None,
            expires_at: None,
        }
    }

    /// An order at `price` or better.
    pub fn limit(trader_id: Uuid, symbol: &'a str, quantity: i32, price: Price) -> Self {
        Self {
            order_type: OrderType::Limit,
            price: Some(price),
            ..Self::market(trader_id, symbol, quantity)
        }
    }

    /// A market order once `trigger` has traded.
    pub fn stop(trader_id: Uuid, symbol: &'a str, quantity: i32, trigger: Price) -> Self {
        Self {
            order_type: OrderType::Stop,
            price: Some(trigger),
            ..Self::market(trader_id, symbol, quantity)
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

// The labels stand in the SQL itself: PostgreSQL takes the partial index of open orders only for a
// condition that implies the index's own, and in a plan that it keeps it does not know what a
// parameter will be.
diesel::postfix_operator!(IsOpen, " IN ('PENDING', 'PARTIAL')", backend: Pg);

/// The repository of orders, from [`Tx::orders`].
pub struct Orders<'c, R> {
    conn: &'c mut PgConnection,
    role: R,
}

impl<R: Role> Tx<'_, R> {
    /// The orders.
    pub fn orders(&mut self) -> Orders<'_, R> {
        Orders { role: self.role(), conn: self.connection() }
    }
}

impl<R: Trades> Orders<'_, R> {
    /// Takes an order into the book as PENDING and logs SUBMITTED.
    ///
    /// # Errors
    ///
    /// - [`Error::is_invalid_input`]: a symbol that is blank or longer than 10 characters, a
    ///   market order with a price.
    /// - [`Error::is_rule_violation`]: the quantity is not positive
    ///   (`ck_orders_quantity_positive`), a LIMIT or STOP order has no price
    ///   (`ck_orders_limit_requires_price`), the trader is not registered
    ///   (`fk_orders_trader_id`).
    /// - [`Error::is_permission_denied`]: a trader's session, and the order is another trader's.
    pub fn submit(&mut self, new: &NewOrder<'_>) -> Result<Order, Error> {
        text::check("symbol", new.symbol, 10)?;
        if let (OrderType::Market, Some(price)) = (new.order_type, new.price) {
            return Err(Error::invalid(
                "price",
                &price.to_string(),
                "is set on a MARKET order, which has none; submit a LIMIT order for it",
            ));
        }
        let id = Uuid::now_v7();
        diesel::insert_into(orders::table)
            .values((orders::id.eq(id), new))
            .returning(Order::as_returning())
            .get_result(self.conn)
            .map_err(|error| {
                // PostgreSQL tries rules in the order of their names, and a negative quantity is
                // less than the 0 shares filled of a new order.
                Error::from(error)
                    .meaning(OVER_FILL, "ck_orders_quantity_positive")
                    .about("order of trader", new.trader_id)
            })
    }
}

impl<R: Role> Orders<'_, R> {
    /// The order with this id.
    ///
    /// # Errors
    ///
    /// [`Error::is_not_found`], also when it is another trader's.
    pub fn get(&mut self, id: Uuid) -> Result<Order, Error> {
        Order::query()
            .find(id)
            .first(self.conn)
            .optional()?
            .ok_or_else(|| Error::not_found("order", id))
    }

    /// The order with its fills and its audit trail. These are three queries: in a
    /// [`snapshot`](crate::Session::snapshot) they agree, whoever else is writing.
    ///
    /// # Errors
    ///
    /// [`Error::is_not_found`], also when it is another trader's.
    pub fn history(&mut self, id: Uuid) -> Result<OrderHistory, Error> {
        Ok(OrderHistory {
            order: self.get(id)?,
            fills: Fills { conn: self.conn, role: self.role }.of_order(id)?,
            log: ExecutionLogs { conn: self.conn, role: self.role }.of_order(id)?,
        })
    }

    /// The orders that match, newest first.
    ///
    /// # Errors
    ///
    /// [`Error::is_invalid_input`] for a page of 0 or of more than [`Page::MAX`] rows.
    ///
    /// ```
    /// # #[cfg(feature = "embedded")] fn main() -> Result<(), tradeblotter::Error> {
    /// # use tradeblotter::{Blotter, embedded, migrations, role};
    /// use tradeblotter::{NewOrder, Filter, Page};
    ///
    /// # let server = embedded::Server::start()?;
    /// # migrations::run(&mut server.connect()?)?;
    /// # let engine = Blotter::connect(&server.login::<role::Engine>()?)?.engine();
    /// # let ada = engine.transaction(|tx| tx.traders().register("Ada"))?;
    /// # let blotter = Blotter::connect(&server.login::<role::Trader>()?)?;
    /// let session = blotter.trader(ada.id)?;
    /// for symbol in ["AAPL", "IBM", "MSFT"] {
    ///     session.transaction(|tx| tx.orders().submit(&NewOrder::market(ada.id, symbol, 10)))?;
    /// }
    ///
    /// let filter = Filter::of_trader(ada.id);
    /// let mut symbols = Vec::new();
    /// let mut page = Page::first(2);
    /// loop {
    ///     let listing = session.transaction(|tx| tx.orders().recent(&filter, page))?;
    ///     symbols.extend(listing.rows.into_iter().map(|order| order.symbol));
    ///     let Some(next) = listing.next else { break };
    ///     page = Page::after(next, 2);
    /// }
    /// assert_eq!(symbols, ["MSFT", "IBM", "AAPL"]);
    /// # Ok(()) }
    /// # #[cfg(not(feature = "embedded"))] fn main() {}
    /// ```
    pub fn recent(&mut self, filter: &Filter<'_>, page: Page) -> Result<Listing<Order>, Error> {
        let mut query = Order::query().into_boxed::<Pg>();
        if let Some(trader_id) = filter.trader_besides(self.role) {
            query = query.filter(orders::trader_id.eq(trader_id));
        }
        if let Some(order_id) = filter.order_id {
            query = query.filter(orders::id.eq(order_id));
        }
        if let Some(symbol) = filter.symbol {
            query = query.filter(orders::symbol.eq(symbol));
        }
        if !filter.statuses.is_empty() {
            query = query.filter(orders::status.eq_any(filter.statuses));
            if filter.statuses.iter().all(|status| status.is_open()) {
                query = query.filter(IsOpen::new(orders::status));
            }
        }
        if let Some(from) = filter.from {
            query = query.filter(orders::created_at.ge(from));
        }
        if let Some(until) = filter.until {
            query = query.filter(orders::created_at.lt(until));
        }
        if let Some(Cursor { at, id }) = page.cursor() {
            query = query
                .filter(orders::created_at.le(at))
                .filter(orders::created_at.lt(at).or(orders::id.lt(id)));
        }
        let rows = query
            .order((orders::created_at.desc(), orders::id.desc()))
            .limit(page.fetch()?)
            .load(self.conn)?;
        Ok(page.listing(rows, |order: &Order| Cursor { at: order.created_at, id: order.id }))
    }

    /// A trader's orders that can still be filled, newest first.
    ///
    /// # Errors
    ///
    /// As [`Orders::recent`].
    pub fn open(&mut self, trader_id: Uuid, page: Page) -> Result<Listing<Order>, Error> {
        let filter = Filter { statuses: OrderStatus::OPEN, ..Filter::of_trader(trader_id) };
        self.recent(&filter, page)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_condition_of_open_orders_names_every_open_status() {
        let labels: Vec<String> =
            OrderStatus::OPEN.iter().map(|status| format!("'{status}'")).collect();
        let condition = IsOpen::new(orders::status);
        let sql = diesel::debug_query::<Pg, _>(&condition).to_string();
        assert!(sql.contains(&format!("\"status\" IN ({})", labels.join(", "))), "{sql}");
    }
}
