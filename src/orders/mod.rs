//! Orders: what a trader wants done, and what has become of it.

pub(crate) mod rebuild;
pub(crate) mod totals;

use std::collections::HashMap;

use bigdecimal::BigDecimal;
use chrono::{DateTime, Utc};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::result::Error as DieselError;
use diesel::sql_types::{Integer, Timestamptz, Uuid as SqlUuid};
use uuid::Uuid;

use crate::database::role::{Engine, Role, Trades};
use crate::database::session::{Tx, stream};
use crate::database::unnest;
use crate::error::{Error, OVER_FILL};
use crate::execution_logs::{ExecutionLog, ExecutionLogs};
use crate::fills::{Fill, Fills};
use crate::schema::orders;
use crate::types::difference::{Comparison, Difference};
use crate::types::enums::{OrderStatus, OrderType, Side};
use crate::types::filter::Filter;
use crate::types::page::{Cursor, Listing, Page};
use crate::types::precision::Fineness;
use crate::types::price::Price;
use crate::types::text;

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

// The labels stand in the SQL itself: PostgreSQL takes the partial index of open orders only for a
// condition that implies the index's own, and in a plan that it keeps it does not know what a
// parameter will be.
diesel::postfix_operator!(IsOpen, " IN ('PENDING', 'PARTIAL')", backend: Pg);

diesel::define_sql_function! {
    /// Cancels what is due; a function because nobody but its owner may lock an order.
    fn blotter_expire_due(now: Timestamptz, at_most: Integer) -> Array<SqlUuid>;
}

/// How often a batch is tried that something was in the way of which had gone when it was looked at.
const ATTEMPTS: u32 = 10;

const QUANTITY_POSITIVE: &str = "ck_orders_quantity_positive";

impl NewOrder<'_> {
    fn check(&self) -> Result<(), Error> {
        text::check("symbol", self.symbol, 10)?;
        if let Some(id) = self.client_order_id {
            text::check("client order id", id, text::MAX_ID)?;
        }
        if let (OrderType::Market, Some(price)) = (self.order_type, self.price) {
            return Err(Error::invalid(
                "price",
                &price.to_string(),
                "is set on a MARKET order, which has none; submit a LIMIT order for it",
            ));
        }
        Ok(())
    }

    fn prices(&self, fineness: &mut Fineness) {
        fineness.price("price", self.price);
        fineness.price("stop loss", self.stop_loss);
        fineness.price("take profit", self.take_profit);
    }

    fn refused(&self, error: DieselError) -> Error {
        // PostgreSQL tries rules in the order of their names, and a negative quantity is less than
        // the 0 shares filled of a new order.
        let error = Error::from(error).meaning(OVER_FILL, QUANTITY_POSITIVE);
        match (error.constraint(), self.replaces) {
            (Some("uq_orders_replaces"), Some(replaced)) => error.about("order", replaced),
            _ => error.about("order of trader", self.trader_id),
        }
    }

    /// In what a stored order is another one than this.
    fn compare(&self, stored: &Order) -> Vec<Difference> {
        let mut comparison = Comparison::default();
        comparison.field("symbol", stored.symbol.as_str(), self.symbol);
        comparison.optional("side", stored.side, Some(self.side));
        comparison.field("quantity", stored.quantity, self.quantity);
        comparison.field("order type", stored.order_type, self.order_type);
        comparison.optional("price", stored.price, self.price);
        comparison.optional("stop loss", stored.stop_loss, self.stop_loss);
        comparison.optional("take profit", stored.take_profit, self.take_profit);
        comparison.moment("expires at", stored.expires_at, self.expires_at);
        comparison.optional("replaces", stored.replaces, self.replaces);
        comparison.differences()
    }
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

impl<R: Trades> Orders<'_, R> {
    /// Takes an order into the book as PENDING and logs SUBMITTED. An order that it replaces ends
    /// CANCELLED.
    ///
    /// An order with a client order id may be submitted any number of times: the first is stored, and
    /// each further one returns the stored order as it stands now.
    ///
    /// # Errors
    ///
    /// - [`Error::is_invalid_input`]: a symbol that is blank or longer than 10 characters, a client
    ///   order id that is blank or longer than 64, a market order with a price, a price with more decimal
    ///   places than its column keeps ([`precision`](crate::precision)).
    /// - [`Error::is_mismatch`]: the trader has an order with this client order id, and it is another
    ///   one.
    /// - [`Error::is_rule_violation`]: the quantity is not positive
    ///   (`ck_orders_quantity_positive`), a LIMIT or STOP order has no price
    ///   (`ck_orders_limit_requires_price`), the trader is not registered
    ///   (`fk_orders_trader_id`), the order to replace is not one of the trader's
    ///   (`fk_orders_replaces`) or is replaced already (`uq_orders_replaces`).
    /// - [`Error::is_illegal_transition`]: the order to replace is REJECTED or CANCELLED.
    /// - [`Error::is_permission_denied`]: a trader's session, and the order is another trader's.
    pub fn submit(&mut self, new: &NewOrder<'_>) -> Result<Order, Error> {
        new.check()?;
        Fineness::of(|fineness| new.prices(fineness)).check(self.conn)?;
        let id = Uuid::now_v7();
        let row = (orders::id.eq(id), new);
        let stored = diesel::insert_into(orders::table)
            .values(row)
            .on_conflict_do_nothing()
            .returning(Order::as_returning())
            .get_result(self.conn)
            .optional()
            .map_err(|error| new.refused(error))?;
        if let Some(order) = stored {
            return Ok(order);
        }
        if let Some(order) = self.known(id, new)? {
            return Ok(order);
        }
        // Something else is in the way; told so, the database says what.
        diesel::insert_into(orders::table)
            .values(row)
            .returning(Order::as_returning())
            .get_result(self.conn)
            .map_err(|error| new.refused(error))
    }

    /// Takes orders into the book, all of them or none, as [`Orders::submit`] takes each; returns them
    /// in the same order. Of two with the same client order id the second is the first one again.
    ///
    /// # Errors
    ///
    /// Those of [`Orders::submit`], for the first that is refused.
    pub fn submit_batch(&mut self, new: &[NewOrder<'_>]) -> Result<Vec<Order>, Error> {
        let rows: Vec<_> = new.iter().map(|new| (Uuid::now_v7(), *new)).collect();
        self.submit_rows(&rows)
    }

    /// [`Orders::submit_batch`], of orders that have an id already.
    pub(crate) fn submit_rows(
        &mut self,
        rows: &[(Uuid, NewOrder<'_>)],
    ) -> Result<Vec<Order>, Error> {
        rows.iter().try_for_each(|(_, new)| new.check())?;
        let prices = |fineness: &mut _| rows.iter().for_each(|(_, new)| new.prices(fineness));
        Fineness::of(prices).check(self.conn)?;
        // Whoever waits for another's row waits for one that is further on: no two for each other.
        // First by the orders that are replaced, which others lock in the order of their ids.
        let mut sorted: Vec<_> = rows.iter().collect();
        sorted.sort_by_key(|(_, new)| (new.replaces, new.trader_id, new.client_order_id));
        let role = self.role;
        for _ in 0..ATTEMPTS {
            // A savepoint: who goes on after a refusal must not keep a part of it.
            let stored =
                self.conn.transaction(|conn| Orders { conn, role }.try_submit(rows, &sorted));
            match stored {
                Ok(orders) => return Ok(orders),
                Err(Refusal::Failure(error)) => return Err(error),
                // Only now, with nothing locked: the row that is in the way may be in another one's
                // hand, and whoever asks for it waits.
                Err(Refusal::InTheWay(row)) => {
                    let new = &rows[row].1;
                    self.obstacle(&[new])?;
                    // Or it is another row of the batch that replaces the same order.
                    let twin = rows.iter().enumerate().find(|(other, (_, twin))| {
                        *other != row && new.replaces.is_some() && twin.replaces == new.replaces
                    });
                    let twin = twin.map(|(_, (_, twin))| twin);
                    twin.map_or(Ok(()), |twin| self.obstacle(&[twin, new]))?;
                }
            }
        }
        Err(Error::not_found(
            "order",
            "in the way of a new one, though something is, again and again",
        ))
    }

    fn try_submit(
        &mut self,
        rows: &[(Uuid, NewOrder<'_>)],
        sorted: &[&(Uuid, NewOrder<'_>)],
    ) -> Result<Vec<Order>, Refusal> {
        let mut stored = HashMap::with_capacity(rows.len());
        for batch in sorted.chunks(unnest::ROWS) {
            let new = || batch.iter().map(|(_, new)| new);
            let orders: Vec<Order> = unnest::insert_into(orders::table)
                .column(orders::id, batch.iter().map(|(id, _)| *id))
                .column(orders::trader_id, new().map(|new| new.trader_id))
                .column(orders::side, new().map(|new| new.side))
                .column(orders::symbol, new().map(|new| new.symbol))
                .column(orders::quantity, new().map(|new| new.quantity))
                .column(orders::order_type, new().map(|new| new.order_type))
                .column(orders::price, new().map(|new| new.price))
                .column(orders::stop_loss, new().map(|new| new.stop_loss))
                .column(orders::take_profit, new().map(|new| new.take_profit))
                .column(orders::expires_at, new().map(|new| new.expires_at))
                .column(orders::client_order_id, new().map(|new| new.client_order_id))
                .column(orders::replaces, new().map(|new| new.replaces))
                .on_conflict_do_nothing()
                .returning(Order::as_returning())
                .load(self.conn)
                .map_err(|error| Error::from(error).meaning(OVER_FILL, QUANTITY_POSITIVE))?;
            stored.extend(orders.into_iter().map(|order| (order.id, order)));
        }
        rows.iter()
            .enumerate()
            .map(|(row, (id, new))| match stored.remove(id) {
                Some(order) => Ok(order),
                None => self.known(*id, new)?.ok_or(Refusal::InTheWay(row)),
            })
            .collect()
    }

    /// The order that a new one is already, if its client or the store has given it an id.
    fn known(&mut self, id: Uuid, new: &NewOrder<'_>) -> Result<Option<Order>, Error> {
        let known = match new.client_order_id {
            Some(id) => self.find_by_client_order_id(new.trader_id, id)?,
            None => Order::query()
                .find(id)
                .filter(orders::trader_id.eq(new.trader_id))
                .first(self.conn)
                .optional()?,
        };
        let Some(order) = known else { return Ok(None) };
        let differing = new.compare(&order);
        if differing.is_empty() {
            return Ok(Some(order));
        }
        let key = match new.client_order_id {
            Some(id) => format!("client order id {id:?}"),
            None => format!("id {id}"),
        };
        Err(Error::mismatch("order", order.id, key, differing))
    }

    /// What keeps the last of new orders from being stored, as the database says it; nothing if it has
    /// gone.
    fn obstacle(&mut self, new: &[&NewOrder<'_>]) -> Result<(), Error> {
        let told: Result<(), Told> = self.conn.transaction(|conn| {
            for new in new {
                diesel::insert_into(orders::table)
                    .values((orders::id.eq(Uuid::now_v7()), *new))
                    .execute(conn)
                    .map_err(|error| Told(Some(new.refused(error))))?;
            }
            // So it could be stored; in its turn, and not before the others.
            Err(Told(None))
        });
        match told {
            Err(Told(Some(error))) => Err(error),
            _ => Ok(()),
        }
    }
}

/// Why a batch is not stored.
enum Refusal {
    /// Something other than an order of this id is in the way of this row.
    InTheWay(usize),
    /// A rule, or the work itself.
    Failure(Error),
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self::Failure(error)
    }
}

impl From<DieselError> for Refusal {
    fn from(error: DieselError) -> Self {
        Self::Failure(error.into())
    }
}

/// What the database has said of a row that it is not to keep.
struct Told(Option<Error>);

impl From<DieselError> for Told {
    fn from(error: DieselError) -> Self {
        Self(Some(error.into()))
    }
}

impl Orders<'_, Engine> {
    /// Cancels up to `limit` open orders that expire at `now` or before, those that have waited
    /// longest first, and returns their ids. Logs CANCELLED with the reason `expired`.
    ///
    /// Any number of workers may run it at once: an order that another one has in hand is passed over.
    /// When fewer than `limit` are returned, no more were due, or others have them in hand.
    ///
    /// # Errors
    ///
    /// Those of the connection.
    pub fn expire_due(&mut self, now: DateTime<Utc>, limit: u16) -> Result<Vec<Uuid>, Error> {
        let due = blotter_expire_due(now, i32::from(limit));
        Ok(diesel::select(due).get_result(self.conn)?)
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

    /// The order of this trader with this client order id (FIX tag 11, ClOrdID).
    ///
    /// # Errors
    ///
    /// [`Error::is_not_found`], also when it is another trader's.
    pub fn by_client_order_id(&mut self, trader_id: Uuid, id: &str) -> Result<Order, Error> {
        self.find_by_client_order_id(trader_id, id)?
            .ok_or_else(|| Error::not_found_by("order of this trader with the client order id", id))
    }

    fn find_by_client_order_id(
        &mut self,
        trader_id: Uuid,
        id: &str,
    ) -> Result<Option<Order>, Error> {
        Ok(Order::query()
            .filter(orders::trader_id.eq(trader_id))
            .filter(orders::client_order_id.eq(id))
            .first(self.conn)
            .optional()?)
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
            .limit(page.fetch()?)
            .select(Order::as_select())
            .load(self.conn)?;
        Ok(page.listing(rows, |order: &Order| Cursor { at: order.created_at, id: order.id }))
    }

    /// All orders that match, oldest first, as they come from the server: none is kept, however many there
    /// are. The connection is busy until the last one, or until the iterator is dropped.
    ///
    /// # Errors
    ///
    /// Those of the connection; inside, those that it meets on the way.
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

fn matching<'f>(filter: &Filter<'f>, role: impl Role) -> orders::BoxedQuery<'f, Pg> {
    let mut query = orders::table.into_boxed();
    if let Some(trader_id) = filter.trader_besides(role) {
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
