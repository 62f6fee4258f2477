//! Reads orders: by key, in pages and as streams.

use chrono::NaiveDate;
use diesel::pg::Pg;
use diesel::prelude::*;
use uuid::Uuid;

use super::{Order, OrderHistory, Orders};
use crate::database::role::Role;
use crate::database::transaction::stream;
use crate::error::Error;
use crate::execution_logs::ExecutionLogs;
use crate::fills::Fills;
use crate::schema::orders;
use crate::types::enums::OrderStatus;
use crate::types::filter::Filter;
use crate::types::page::{Cursor, Listing, Page};

// The labels are literals and not parameters: PostgreSQL uses the partial index of open orders only if the
// condition implies the predicate of the index, and the generic plan of a prepared statement does not know
// the values of its parameters.
diesel::postfix_operator!(IsOpen, " IN ('PENDING', 'PARTIAL')", backend: Pg);

impl<R: Role> Orders<'_, R> {
    /// Returns the order with this id.
    ///
    /// # Errors
    ///
    /// [`Error::is_not_found`]: there is no such order, or it belongs to another trader than the session's.
    pub fn get(&mut self, id: Uuid) -> Result<Order, Error> {
        Order::query()
            .find(id)
            .first(self.conn)
            .optional()?
            .ok_or_else(|| Error::not_found("order", id))
    }

    /// Returns the trader's order with this client order id (FIX tag 11, ClOrdID), of this trading day if the
    /// order has one.
    ///
    /// # Errors
    ///
    /// [`Error::is_not_found`]: there is no such order, or it belongs to another trader than the session's.
    pub fn by_client_order_id(
        &mut self,
        trader_id: Uuid,
        id: &str,
        trading_day: Option<NaiveDate>,
    ) -> Result<Order, Error> {
        self.find_by_client_order_id(trader_id, id, trading_day)?
            .ok_or_else(|| Error::not_found_by("order of this trader with the client order id", id))
    }

    /// Returns the trader's order with this client order id and trading day, if it is stored.
    pub(super) fn find_by_client_order_id(
        &mut self,
        trader_id: Uuid,
        id: &str,
        trading_day: Option<NaiveDate>,
    ) -> Result<Option<Order>, Error> {
        Ok(Order::query()
            .filter(orders::trader_id.eq(trader_id))
            .filter(orders::client_order_id.eq(id))
            .filter(orders::trading_day.is_not_distinct_from(trading_day))
            .first(self.conn)
            .optional()?)
    }

    /// Returns an order with all of its fills and log entries, oldest first.
    ///
    /// It runs three queries. In a [`snapshot`](crate::Session::snapshot) they all see the same state of the
    /// database, whatever is written meanwhile.
    ///
    /// # Errors
    ///
    /// [`Error::is_not_found`]: there is no such order, or it belongs to another trader than the session's.
    pub fn history(&mut self, id: Uuid) -> Result<OrderHistory, Error> {
        Ok(OrderHistory {
            order: self.get(id)?,
            fills: Fills { conn: self.conn, role: self.role }.of_order(id)?,
            log: ExecutionLogs { conn: self.conn, role: self.role }.of_order(id)?,
        })
    }

    /// Returns one page of the orders that match a filter, newest first.
    ///
    /// To read on, pass [`Listing::next`] to [`Page::after`].
    ///
    /// # Errors
    ///
    /// [`Error::is_invalid_input`]: the page has 0 rows or more than [`Page::MAX`].
    ///
    /// ```
    /// # #[cfg(feature = "embedded")] fn main() -> Result<(), tradeblotter::Error> {
    /// # use tradeblotter::{Blotter, embedded, migrations, role};
    /// use tradeblotter::{Filter, NewOrder, Page, Side};
    ///
    /// # let server = embedded::Server::start()?;
    /// # migrations::run(&mut server.connect()?)?;
    /// # let engine = Blotter::connect(&server.login::<role::Engine>()?)?.engine();
    /// # let ada = engine.transaction(|tx| tx.traders().register("Ada"))?;
    /// # let blotter = Blotter::connect(&server.login::<role::Trader>()?)?;
    /// let session = blotter.trader(ada.id)?;
    /// for symbol in ["AAPL", "IBM", "MSFT"] {
    ///     session.transaction(|tx| tx.orders().submit(&NewOrder::market(ada.id, Side::Buy, symbol, 10)))?;
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
        let mut query = matching(filter, self.role);
        if let Some(Cursor { at, id }) = page.cursor() {
            query = query
                .filter(orders::created_at.le(at))
                .filter(orders::created_at.lt(at).or(orders::id.lt(id)));
        }
        let rows = query
            .order((orders::created_at.desc(), orders::id.desc()))
            .limit(page.sql_limit()?)
            .select(Order::as_select())
            .load(self.conn)?;
        Ok(page.listing(rows, |order: &Order| Cursor { at: order.created_at, id: order.id }))
    }

    /// Streams all orders that match a filter, oldest first, row by row from the server.
    ///
    /// Memory use does not grow with the number of orders. The connection is busy until the iterator ends
    /// or is dropped.
    ///
    /// # Errors
    ///
    /// Only those of the connection: from the call if the query fails, from the iterator if reading a row
    /// fails.
    pub fn stream<'q>(
        &'q mut self,
        filter: &Filter<'q>,
    ) -> Result<impl Iterator<Item = Result<Order, Error>> + 'q, Error> {
        let oldest_first = (orders::created_at, orders::id);
        stream(
            self.conn,
            matching(filter, self.role).order(oldest_first).select(Order::as_select()),
        )
    }

    /// Returns one page of a trader's open orders (PENDING or PARTIAL), newest first.
    ///
    /// # Errors
    ///
    /// Those of [`Orders::recent`].
    pub fn open(&mut self, trader_id: Uuid, page: Page) -> Result<Listing<Order>, Error> {
        let filter = Filter { statuses: OrderStatus::OPEN, ..Filter::of_trader(trader_id) };
        self.recent(&filter, page)
    }
}

/// Returns the query for the orders that match a filter.
fn matching<'f>(filter: &Filter<'f>, role: impl Role) -> orders::BoxedQuery<'f, Pg> {
    let mut query = orders::table.into_boxed();
    if let Some(trader_id) = filter.trader_condition(role.trader()) {
        query = query.filter(orders::trader_id.eq(trader_id));
    }
    if let Some(order_id) = filter.order_id {
        query = query.filter(orders::id.eq(order_id));
    }
    if let Some(symbol) = filter.symbol {
        query = query.filter(orders::symbol.eq(symbol));
    }
    if let Some(account) = filter.account {
        query = query.filter(orders::account.eq(account));
    }
    if let Some(time_in_force) = filter.time_in_force {
        query = query.filter(orders::time_in_force.eq(time_in_force));
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
    query
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
