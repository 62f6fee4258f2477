//! Orders taken into the book.

use std::collections::HashMap;

use diesel::prelude::*;
use diesel::result::Error as DieselError;
use uuid::Uuid;

use super::{NewOrder, Order, Orders};
use crate::database::retry::retry;
use crate::database::role::Trades;
use crate::database::unnest;
use crate::error::{Error, OVER_FILL};
use crate::schema::orders;
use crate::types::difference::{Comparison, Difference};
use crate::types::enums::OrderType;
use crate::types::precision::ScaleCheck;
use crate::types::text;

/// Attempts before giving up when a conflicting row has vanished each time by the time we look for it.
const MAX_ATTEMPTS: u32 = 10;

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

    fn prices(&self, scales: &mut ScaleCheck) {
        scales.price("price", self.price);
        scales.price("stop loss", self.stop_loss);
        scales.price("take profit", self.take_profit);
    }

    fn refused(&self, error: DieselError) -> Error {
        // PostgreSQL tries rules in the order of their names, and a negative quantity is less than
        // the 0 shares filled of a new order.
        let error = Error::from(error).rename_rule(OVER_FILL, QUANTITY_POSITIVE);
        match (error.constraint(), self.replaces) {
            (Some("uq_orders_replaces"), Some(replaced)) => error.with_row("order", replaced),
            _ => error.with_row("order of trader", self.trader_id),
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
        ScaleCheck::of(|scales| new.prices(scales)).check(self.conn)?;
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
        // ON CONFLICT hides which constraint was hit; insert again without it so that PostgreSQL
        // names it.
        diesel::insert_into(orders::table)
            .values(row)
            .returning(Order::as_returning())
            .get_result(self.conn)
            .optional()
            .map_err(|error| new.refused(error))?
            .ok_or_else(|| Error::lost_race("order of trader", new.trader_id))
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
        let prices = |scales: &mut _| rows.iter().for_each(|(_, new)| new.prices(scales));
        ScaleCheck::of(prices).check(self.conn)?;
        // Whoever waits for another's row waits for one that is further on: no two for each other.
        // First by the orders that are replaced, which others lock in the order of their ids.
        let mut sorted: Vec<_> = rows.iter().collect();
        sorted.sort_by_key(|(_, new)| (new.replaces, new.trader_id, new.client_order_id));
        let role = self.role;
        retry(MAX_ATTEMPTS, Error::is_lost_race, |_| {
            // Savepoint: if the caller continues after an error, nothing of the batch remains.
            let stored =
                self.conn.transaction(|conn| Orders { conn, role }.try_submit(rows, &sorted));
            match stored {
                Ok(orders) => Ok(orders),
                Err(Refusal::Failure(error)) => Err(error),
                // Only after the savepoint, with no row locked: the insert waits for the transaction
                // that holds the conflicting row.
                Err(Refusal::Conflict(row)) => {
                    let new = &rows[row];
                    self.name_conflict(&[new])?;
                    // Or the conflicting row is another of the batch that replaces the same order.
                    let twin = rows.iter().enumerate().find(|(other, (_, twin))| {
                        *other != row && new.1.replaces.is_some() && twin.replaces == new.1.replaces
                    });
                    if let Some((_, twin)) = twin {
                        self.name_conflict(&[twin, new])?;
                    }
                    Err(Error::lost_race("order of trader", new.1.trader_id))
                }
            }
        })
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
                .map_err(|error| Error::from(error).rename_rule(OVER_FILL, QUANTITY_POSITIVE))?;
            stored.extend(orders.into_iter().map(|order| (order.id, order)));
        }
        rows.iter()
            .enumerate()
            .map(|(row, (id, new))| match stored.remove(id) {
                Some(order) => Ok(order),
                None => self.known(*id, new)?.ok_or(Refusal::Conflict(row)),
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

    /// Fails with the constraint that the last of these orders violates; succeeds, and stores nothing,
    /// if it violates none any more.
    fn name_conflict(&mut self, rows: &[&(Uuid, NewOrder<'_>)]) -> Result<(), Error> {
        let tried: Result<(), Trial> = self.conn.transaction(|conn| {
            for (id, new) in rows {
                diesel::insert_into(orders::table)
                    .values((orders::id.eq(id), new))
                    .execute(conn)
                    .map_err(|error| Trial::Refused(new.refused(error)))?;
            }
            // The orders are stored by the next attempt, in the order in which rows are locked.
            Err(Trial::Possible)
        });
        match tried {
            Err(Trial::Refused(error)) => Err(error),
            _ => Ok(()),
        }
    }
}

/// Why a batch is not stored.
enum Refusal {
    /// The row at this index conflicts with a row that is not the same order.
    Conflict(usize),
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

/// How the trial insert of [`Orders::name_conflict`] ended, which is rolled back either way.
enum Trial {
    Possible,
    Refused(Error),
}

impl From<DieselError> for Trial {
    fn from(error: DieselError) -> Self {
        Self::Refused(error.into())
    }
}
