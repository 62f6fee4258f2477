//! Orders taken into the book.

use std::collections::HashMap;

use diesel::prelude::*;
use diesel::result::Error as DieselError;
use uuid::Uuid;

use super::{NewOrder, Order, Orders};
use crate::database::role::Trades;
use crate::database::unnest;
use crate::error::{Error, OVER_FILL};
use crate::schema::orders;
use crate::types::difference::{Comparison, Difference};
use crate::types::enums::OrderType;
use crate::types::precision::Fineness;
use crate::types::text;

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
