//! Submits orders, one or a batch.

use std::collections::HashMap;

use diesel::prelude::*;
use diesel::query_builder::QueryId;
use diesel::result::Error as DieselError;
use diesel::sql_types::{Array, Uuid as SqlUuid};
use uuid::Uuid;

use super::{NewOrder, Order, Orders};
use crate::database::retry::retry;
use crate::database::role::{DatabaseRole, Engine, Trades};
use crate::database::unnest::{self, Columns, Rows};
use crate::error::{Error, OVER_FILL};
use crate::schema::orders;
use crate::types::difference::{Comparison, Difference};
use crate::types::enums::OrderType;
use crate::types::instructions::Instructions;
use crate::types::text;
use crate::types::widths::{self, WidthCheck};
use crate::types::years;

/// Attempts to submit a batch before giving up, when a conflicting row has vanished each time by the time
/// we look for it.
const MAX_ATTEMPTS: u32 = 10;

const QUANTITY_POSITIVE: &str = "ck_orders_quantity_positive";

impl NewOrder<'_> {
    /// Refuses what the columns would cut or store as a blank, and a MARKET order with a price.
    pub(crate) fn check(&self) -> Result<(), Error> {
        widths::check_symbol(self.symbol)?;
        if let Some(id) = self.client_order_id {
            text::check_name("client order id", id, text::MAX_ID)?;
        }
        if let Some(account) = self.account {
            text::check_name("account", account, text::MAX_ID)?;
        }
        if let Some(code) = self.currency
            && !(code.len() == 3 && code.bytes().all(|letter| letter.is_ascii_uppercase()))
        {
            return Err(Error::invalid(
                "currency",
                code,
                "is not three capital letters, such as USD",
            ));
        }
        years::check_time("expiration", self.expires_at)?;
        years::check_time("time of receipt", self.received_at)?;
        years::check_day("trading day", self.trading_day)?;
        if let Some(limit) = self.limit_price
            && self.order_type != OrderType::Stop
        {
            let why =
                "is set on an order that is no STOP order; the limit of a LIMIT order is its price";
            return Err(Error::invalid("limit price", &limit.to_string(), why));
        }
        self.instructions.map_or(Ok(()), Instructions::check)?;
        if let (OrderType::Market, Some(price)) = (self.order_type, self.price) {
            return Err(Error::invalid(
                "price",
                &price.to_string(),
                "is set on a MARKET order, which takes no price; leave it out, or submit a LIMIT order",
            ));
        }
        Ok(())
    }

    /// Adds the symbol and the prices to the values whose widths are to be checked.
    fn add_widths_to(&self, widths: &mut WidthCheck) {
        widths.symbol(self.symbol);
        widths.price("price", self.price);
        widths.price("stop loss", self.stop_loss);
        widths.price("take profit", self.take_profit);
        widths.price("limit price", self.limit_price);
    }

    /// Turns the error of an insert into one that names the rule and the order or trader.
    fn insert_error(&self, error: DieselError) -> Error {
        // PostgreSQL checks constraints by name, and a negative quantity also violates OVER_FILL, because it
        // is less than the 0 filled shares of a new order.
        let error = Error::from(error).rename_rule(OVER_FILL, QUANTITY_POSITIVE);
        match (error.constraint(), self.replaces) {
            (Some("uq_orders_replaces"), Some(replaced)) => error.with_row("order", replaced),
            _ => error.with_row("order of trader", self.trader_id),
        }
    }

    /// Returns the fields in which a stored order with the same key differs from this one.
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
        comparison.optional("trading day", stored.trading_day, self.trading_day);
        comparison.optional("account", stored.account.as_deref(), self.account);
        comparison.optional("time in force", stored.time_in_force, self.time_in_force);
        comparison.optional("limit price", stored.limit_price, self.limit_price);
        comparison.optional("currency", stored.currency.as_deref(), self.currency);
        comparison.moment("received at", stored.received_at, self.received_at);
        comparison.optional("instructions", stored.instructions.as_ref(), self.instructions);
        comparison.differences()
    }
}

impl<R: Trades> Orders<'_, R> {
    /// Submits an order: stores it as PENDING and logs SUBMITTED.
    ///
    /// Submitting is idempotent by the trader and the client order id (FIX tag 11, ClOrdID): the first call
    /// stores the order, and each further one returns the stored order with its current status. An order
    /// without a client order id is a new one each time.
    ///
    /// An order that [replaces](NewOrder::replaces) an open one cancels it in the same statement.
    ///
    /// # Errors
    ///
    /// - [`Error::is_invalid_input`]: the symbol is blank or longer than its column (10 characters), the client
    ///   order id is blank or longer than 64, a MARKET order has a price, or a price has more decimal places
    ///   than its column (2). Both columns can be widened ([`widths`](crate::widths)).
    /// - [`Error::is_mismatch`]: the trader has another order with this client order id;
    ///   [`Error::differing_fields`] names the fields that differ.
    /// - [`Error::is_rule_violation`]: the quantity is not positive (`ck_orders_quantity_positive`), a LIMIT
    ///   or STOP order has no price (`ck_orders_limit_requires_price`), the trader is not registered
    ///   (`fk_orders_trader_id`), the order to replace is not one of the trader's (`fk_orders_replaces`) or
    ///   has been replaced (`uq_orders_replaces`).
    /// - [`Error::is_illegal_transition`]: the order to replace is REJECTED or CANCELLED.
    /// - [`Error::is_permission_denied`]: the session is a trader's, and the order another trader's.
    /// - [`Error::is_conflict`]: another transaction interfered (a deadlock, a serialization failure, or a
    ///   conflicting order that vanished before it could be read). Nothing is stored; try again.
    pub fn submit(&mut self, new: &NewOrder<'_>) -> Result<Order, Error> {
        new.check()?;
        WidthCheck::of(|widths| new.add_widths_to(widths)).check(self.conn)?;
        let id = Uuid::now_v7();
        let row = (orders::id.eq(id), new);
        let stored = diesel::insert_into(orders::table)
            .values(row)
            .on_conflict_do_nothing()
            .returning(Order::as_returning())
            .get_result(self.conn)
            .optional()
            .map_err(|error| new.insert_error(error))?;
        if let Some(order) = stored {
            return Ok(order);
        }
        if let Some(order) = self.find_duplicate(id, new)? {
            return Ok(order);
        }
        // ON CONFLICT hides which constraint was hit; insert again without it so that PostgreSQL names it.
        diesel::insert_into(orders::table)
            .values(row)
            .returning(Order::as_returning())
            .get_result(self.conn)
            .optional()
            .map_err(|error| new.insert_error(error))?
            .ok_or_else(|| Error::lost_race("order of trader", new.trader_id))
    }

    /// Submits orders, all of them or none, and returns them in the given sequence.
    ///
    /// It is idempotent as [`Orders::submit`] is, also within the batch: the second of two orders with the
    /// same client order id returns the first. Rows are locked in one global order, so concurrent batches
    /// cannot deadlock. A savepoint undoes a refused batch, so the transaction can go on without it.
    ///
    /// # Errors
    ///
    /// Those of [`Orders::submit`], for the first order that is refused.
    pub fn submit_batch(&mut self, new: &[NewOrder<'_>]) -> Result<Vec<Order>, Error> {
        let rows: Vec<_> = new.iter().map(|new| (Uuid::now_v7(), *new)).collect();
        self.submit_rows(&rows)
    }

    /// Submits orders as [`Orders::submit_batch`] does, under ids that the caller has chosen. An order without
    /// a client order id is deduplicated by its id.
    pub(crate) fn submit_rows(
        &mut self,
        rows: &[(Uuid, NewOrder<'_>)],
    ) -> Result<Vec<Order>, Error> {
        rows.iter().try_for_each(|(_, new)| new.check())?;
        let add_widths =
            |widths: &mut _| rows.iter().for_each(|(_, new)| new.add_widths_to(widths));
        WidthCheck::of(add_widths).check(self.conn)?;
        // Rows are locked in one global order, so concurrent batches cannot deadlock. The replaced order is
        // first in the key, because every statement locks existing orders by id.
        let mut sorted: Vec<_> = rows.iter().collect();
        sorted.sort_by_key(|(_, new)| (new.replaces, new.trader_id, new.client_order_id));
        let role = self.role;
        retry(MAX_ATTEMPTS, Error::is_lost_race, |_| {
            // Savepoint: if the caller continues after an error, nothing of the batch remains.
            let stored =
                self.conn.transaction(|conn| Orders { conn, role }.insert_batch(rows, &sorted));
            match stored {
                Ok(orders) => Ok(orders),
                Err(BatchError::Other(error)) => Err(error),
                // After the savepoint, when this batch holds no lock: the insert waits for the transaction
                // that holds the conflicting row.
                Err(BatchError::Conflict(row)) => {
                    let new = &rows[row];
                    self.name_conflict(&[new])?;
                    // It conflicts with no stored row, so perhaps two orders of the batch replace the same
                    // order.
                    let rival = rows.iter().enumerate().find(|(other, (_, rival))| {
                        *other != row
                            && new.1.replaces.is_some()
                            && rival.replaces == new.1.replaces
                    });
                    if let Some((_, rival)) = rival {
                        self.name_conflict(&[rival, new])?;
                    }
                    Err(Error::lost_race("order of trader", new.1.trader_id))
                }
            }
        })
    }

    /// Inserts the sorted orders, and returns them in the sequence of `rows`, each as inserted or as stored
    /// before.
    fn insert_batch(
        &mut self,
        rows: &[(Uuid, NewOrder<'_>)],
        sorted: &[&(Uuid, NewOrder<'_>)],
    ) -> Result<Vec<Order>, BatchError> {
        let mut stored = self.submit_clean(sorted)?;
        let remaining: Vec<_> =
            sorted.iter().copied().filter(|(id, _)| !stored.contains_key(id)).collect();
        for batch in remaining.chunks(unnest::ROWS) {
            let orders: Vec<Order> = arrays(batch)
                .column(orders::replaces, batch.iter().map(|(_, new)| new.replaces))
                .insert_new(Order::as_returning())
                .load(self.conn)
                .map_err(|error| Error::from(error).rename_rule(OVER_FILL, QUANTITY_POSITIVE))?;
            stored.extend(orders.into_iter().map(|order| (order.id, order)));
        }
        rows.iter()
            .enumerate()
            .map(|(row, (id, new))| match stored.remove(id) {
                Some(order) => Ok(order),
                None => self.find_duplicate(*id, new)?.ok_or(BatchError::Conflict(row)),
            })
            .collect()
    }

    /// Submits those of the orders that pass the checks of the batch function of the database, which
    /// only the engine may call.
    fn submit_clean(
        &mut self,
        rows: &[&(Uuid, NewOrder<'_>)],
    ) -> Result<HashMap<Uuid, Order>, Error> {
        let mut stored = HashMap::with_capacity(rows.len());
        if self.role.name() != Engine::NAME || rows.len() < 2 {
            return Ok(stored);
        }
        let rows: Vec<_> = rows.iter().copied().filter(|(_, new)| new.replaces.is_none()).collect();
        for batch in rows.chunks(unnest::ROWS) {
            let submit = arrays(batch).pass_to::<Array<SqlUuid>>("blotter_submit_orders");
            let ids: Vec<Uuid> = submit.get_result(self.conn)?;
            let orders: Vec<Order> =
                Order::query().filter(orders::id.eq_any(ids)).load(self.conn)?;
            stored.extend(orders.into_iter().map(|order| (order.id, order)));
        }
        Ok(stored)
    }

    /// Returns the stored order that this one duplicates: the one with its client order id, or with its id if
    /// it has none.
    ///
    /// # Errors
    ///
    /// [`Error::is_mismatch`]: the stored order has other terms.
    fn find_duplicate(&mut self, id: Uuid, new: &NewOrder<'_>) -> Result<Option<Order>, Error> {
        let stored = match new.client_order_id {
            Some(id) => self.find_by_client_order_id(new.trader_id, id, new.trading_day)?,
            None => Order::query()
                .find(id)
                .filter(orders::trader_id.eq(new.trader_id))
                .first(self.conn)
                .optional()?,
        };
        let Some(order) = stored else { return Ok(None) };
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

    /// Inserts these orders in a savepoint that is rolled back: ON CONFLICT hides which constraint was hit,
    /// and without it PostgreSQL names it. Returns the error of the first order that is refused; `Ok` if
    /// nothing conflicts any more.
    fn name_conflict(&mut self, rows: &[&(Uuid, NewOrder<'_>)]) -> Result<(), Error> {
        let tried: Result<(), Trial> = self.conn.transaction(|conn| {
            for (id, new) in rows {
                diesel::insert_into(orders::table)
                    .values((orders::id.eq(id), new))
                    .execute(conn)
                    .map_err(|error| Trial::Refused(new.insert_error(error)))?;
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

/// Returns the orders as arrays, without what they replace: the parameters of `blotter_submit_orders`.
fn arrays(batch: &[&(Uuid, NewOrder<'_>)]) -> Rows<orders::table, impl Columns + QueryId> {
    let new = || batch.iter().map(|(_, new)| new);
    unnest::rows_of(orders::table)
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
        .column(orders::trading_day, new().map(|new| new.trading_day))
        .column(orders::account, new().map(|new| new.account))
        .column(orders::time_in_force, new().map(|new| new.time_in_force))
        .column(orders::limit_price, new().map(|new| new.limit_price))
        .column(orders::currency, new().map(|new| new.currency))
        .column(orders::received_at, new().map(|new| new.received_at))
        .column(orders::instructions, new().map(|new| new.instructions))
}

/// Why a batch was not stored.
enum BatchError {
    /// The order at this index conflicts with a row that is not its duplicate.
    Conflict(usize),
    /// Any other refusal or failure.
    Other(Error),
}

impl From<Error> for BatchError {
    fn from(error: Error) -> Self {
        Self::Other(error)
    }
}

impl From<DieselError> for BatchError {
    fn from(error: DieselError) -> Self {
        Self::Other(error.into())
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
