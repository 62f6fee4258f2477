//! Fills read: by key, in pages and as streams.

use diesel::pg::Pg;
use diesel::prelude::*;
use uuid::Uuid;

use super::{Fill, Fills};
use crate::database::role::Role;
use crate::database::session::stream;
use crate::error::Error;
use crate::schema::fills;
use crate::types::filter::Filter;
use crate::types::page::{Cursor, Listing, Page};

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

    /// The fill, bust or correction of an order that the venue calls by this execution id (FIX tag 17).
    ///
    /// # Errors
    ///
    /// Those of the connection.
    pub fn of_execution(
        &mut self,
        order_id: Uuid,
        venue: &str,
        execution_id: &str,
    ) -> Result<Option<Fill>, Error> {
        Ok(Fill::query()
            .filter(fills::order_id.eq(order_id))
            .filter(fills::venue.eq(venue))
            .filter(fills::execution_id.eq(execution_id))
            .first(self.conn)
            .optional()?)
    }

    /// All fills of an order, oldest first, with those that no longer count and what amends them; none
    /// for an order that this session may not see.
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

    /// All fills that match, oldest first, with those that no longer count and what amends them, as they come
    /// from the server: none is kept, however many there are. The connection is busy until the last one, or
    /// until the iterator is dropped.
    ///
    /// # Errors
    ///
    /// Those of the connection; inside, those that it meets on the way.
    pub fn stream<'q>(
        &'q mut self,
        filter: &Filter<'q>,
    ) -> Result<impl Iterator<Item = Result<Fill, Error>> + 'q, Error> {
        let oldest_first = (fills::timestamp, fills::id);
        stream(self.conn, matching(filter, self.role).order(oldest_first).select(Fill::as_select()))
    }

    /// The fills that match, newest first.
    ///
    /// # Errors
    ///
    /// [`Error::is_invalid_input`] for a page of 0 or of more than [`Page::MAX`] rows.
    pub fn recent(&mut self, filter: &Filter<'_>, page: Page) -> Result<Listing<Fill>, Error> {
        let mut query = matching(filter, self.role);
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

fn matching<'f>(filter: &Filter<'f>, role: impl Role) -> fills::BoxedQuery<'f, Pg> {
    let mut query = fills::table.into_boxed();
    if let Some(order_id) = filter.order_id {
        query = query.filter(fills::order_id.eq(order_id));
    }
    if let Some(trader_id) = filter.trader_condition(role.trader()) {
        query = query.filter(fills::trader_id.eq(trader_id));
    }
    if let Some(orders) = filter.orders() {
        query = query.filter(fills::order_id.eq_any(orders));
    }
    if let Some(from) = filter.from {
        query = query.filter(fills::timestamp.ge(from));
    }
    if let Some(until) = filter.until {
        query = query.filter(fills::timestamp.lt(until));
    }
    query
}
