//! Fills: the executions of orders.

use chrono::{DateTime, Utc};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::sql_types::Uuid as SqlUuid;
use uuid::Uuid;

use crate::error::Error;
use crate::filter::Filter;
use crate::page::{Cursor, Listing, Page};
use crate::price::{Commission, Price};
use crate::role::{Engine, Role};
use crate::schema::{fills, orders};
use crate::session::Tx;
use crate::text;

/// One execution of an order, in part or whole.
#[derive(HasQuery, Identifiable, Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[diesel(table_name = fills)]
#[diesel(check_for_backend(diesel::pg::Pg))]
pub struct Fill {
    /// Unique fill identifier.
    pub id: Uuid,
    /// The order that was filled.
    pub order_id: Uuid,
    /// The trader whose order it is.
    pub trader_id: Uuid,
    /// When it occurred at the venue (FIX tag 60, TransactTime).
    pub timestamp: DateTime<Utc>,
    /// Shares filled (FIX tag 32, LastQty).
    pub quantity_filled: i32,
    /// Price per share in currency units (FIX tag 31, LastPx).
    pub price_at_fill: Price,
    /// Where it was executed (FIX tag 30, LastMkt), e.g. NASDAQ.
    pub venue: String,
    /// Commission for this fill in currency units (FIX tag 12).
    pub commission: Commission,
    /// Recorded.
    pub created_at: DateTime<Utc>,
}

/// A fill to record.
#[derive(Insertable, Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[diesel(table_name = fills)]
pub struct NewFill<'a> {
    /// The order that was filled.
    pub order_id: Uuid,
    /// When it occurred at the venue (FIX tag 60, TransactTime); kept to the microsecond.
    pub timestamp: DateTime<Utc>,
    /// Shares filled, at least 1.
    pub quantity_filled: i32,
    /// Price per share in currency units.
    pub price_at_fill: Price,
    /// Where it was executed, 1 to 50 characters.
    pub venue: &'a str,
    /// Commission for this fill in currency units; `Commission::default()` is none.
    pub commission: Commission,
}

/// The repository of fills, from [`Tx::fills`].
pub struct Fills<'c, R> {
    pub(crate) conn: &'c mut PgConnection,
    pub(crate) role: R,
}

impl<R: Role> Tx<'_, R> {
    /// The fills.
    pub fn fills(&mut self) -> Fills<'_, R> {
        Fills { role: self.role(), conn: self.connection() }
    }
}

impl Fills<'_, Engine> {
    /// Records a fill. The database raises the order's filled quantity, derives its average price,
    /// moves it to PARTIAL or FILLED and logs FILLED. The order is locked until the transaction
    /// ends, so of two fills that race for the last shares one is refused.
    ///
    /// # Errors
    ///
    /// - [`Error::is_not_found`]: no such order.
    /// - [`Error::is_illegal_transition`]: the order is FILLED, REJECTED or CANCELLED.
    /// - [`Error::is_over_fill`]: it would go beyond the order's quantity.
    /// - [`Error::is_invalid_input`]: a venue that is blank or longer than 50 characters.
    /// - [`Error::is_rule_violation`]: the quantity is not positive
    ///   (`ck_fills_quantity_positive`).
    pub fn record(&mut self, new: &NewFill<'_>) -> Result<Fill, Error> {
        text::check("venue", new.venue, 50)?;
        diesel::insert_into(fills::table)
            .values((fills::id.eq(Uuid::now_v7()), new))
            .returning(Fill::as_returning())
            .get_result(self.conn)
            .map_err(|error| Error::from(error).about_order("fill of order", new.order_id))
    }
}

impl<R: Role> Fills<'_, R> {
    /// The fill with this id.
    ///
    /// # Errors
    ///
    /// [`Error::is_not_found`], also when it is of another trader's order.
    pub fn get(&mut self, id: Uuid) -> Result<Fill, Error> {
        Fill::query()
            .find(id)
            .first(self.conn)
            .optional()?
            .ok_or_else(|| Error::not_found("fill", id))
    }

    /// All fills of an order, oldest first; none for an order that this session may not see.
    ///
    /// # Errors
    ///
    /// Those of the connection.
    pub fn of_order(&mut self, order_id: Uuid) -> Result<Vec<Fill>, Error> {
        Ok(Fill::query()
            .filter(fills::order_id.eq(order_id))
            .order((fills::timestamp, fills::id))
            .load(self.conn)?)
    }

    /// The fills that match, newest first.
    ///
    /// # Errors
    ///
    /// [`Error::is_invalid_input`] for a page of 0 or of more than [`Page::MAX`] rows.
    pub fn recent(&mut self, filter: &Filter<'_>, page: Page) -> Result<Listing<Fill>, Error> {
        let mut query = fills::table.into_boxed::<Pg>();
        if let Some(order_id) = filter.order_id {
            query = query.filter(fills::order_id.eq(order_id));
        }
        if let Some(trader_id) = filter.trader_besides(self.role) {
            query = query.filter(fills::trader_id.eq(trader_id));
        }
        if filter.symbol.is_some() || !filter.statuses.is_empty() {
            query = query.filter(fills::order_id.eq_any(orders_of(filter)));
        }
        if let Some(from) = filter.from {
            query = query.filter(fills::timestamp.ge(from));
        }
        if let Some(until) = filter.until {
            query = query.filter(fills::timestamp.lt(until));
        }
        if let Some(Cursor { at, id }) = page.cursor() {
            query = query
                .filter(fills::timestamp.le(at))
                .filter(fills::timestamp.lt(at).or(fills::id.lt(id)));
        }
        let rows = query
            .order((fills::timestamp.desc(), fills::id.desc()))
            .limit(page.fetch()?)
            .select(Fill::as_select())
            .load(self.conn)?;
        Ok(page.listing(rows, |fill: &Fill| Cursor { at: fill.timestamp, id: fill.id }))
    }
}

/// The ids of the orders whose fills are asked for.
fn orders_of<'f>(filter: &Filter<'f>) -> orders::BoxedQuery<'f, Pg, SqlUuid> {
    let mut query = orders::table.select(orders::id).into_boxed();
    if let Some(symbol) = filter.symbol {
        query = query.filter(orders::symbol.eq(symbol));
    }
    if !filter.statuses.is_empty() {
        query = query.filter(orders::status.eq_any(filter.statuses));
    }
    query
}
