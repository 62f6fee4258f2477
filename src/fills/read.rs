//! Reads fills: by key, in pages and as streams.

use diesel::pg::Pg;
use diesel::prelude::*;
use uuid::Uuid;

use super::{Fill, Fills};
use crate::database::role::Role;
use crate::database::transaction::stream;
use crate::error::Error;
use crate::schema::{fills, orders};
use crate::types::filter::Filter;
use crate::types::page::{Cursor, Listing, Page};

impl<R: Role> Fills<'_, R> {
    /// Returns the fill, bust or correction with this id.
    ///
    /// # Errors
    ///
    /// [`Error::is_not_found`]: there is no such fill, or its order belongs to another trader than the
    /// session's.
    pub fn get(&mut self, id: Uuid) -> Result<Fill, Error> {
        Fill::query()
            .find(id)
            .first(self.conn)
            .optional()?
            .ok_or_else(|| Error::not_found("fill", id))
    }

    /// Returns the fill with this execution id of a source (FIX tag 17, ExecID) in the order chain of an
    /// order; `None` if there is none. If a bust or a correction has the same id, the fill comes first.
    ///
    /// # Errors
    ///
    /// Only those of the connection.
    pub fn of_execution(
        &mut self,
        order_id: Uuid,
        source: &str,
        execution_id: &str,
    ) -> Result<Option<Fill>, Error> {
        Ok(of_execution(order_id, source, execution_id)
            .order((fills::is_bust, fills::amends.is_not_null()))
            .select(Fill::as_select())
            .first(self.conn)
            .optional()?)
    }

    /// Returns the stored row of the same kind with this execution id of a source in the order chain of an
    /// order.
    pub(crate) fn find_execution(
        &mut self,
        order_id: Uuid,
        source: &str,
        execution_id: &str,
        is_amendment: bool,
        is_bust: bool,
    ) -> Result<Option<Fill>, Error> {
        Ok(of_execution(order_id, source, execution_id)
            .filter(fills::is_bust.eq(is_bust))
            .filter(fills::amends.is_not_null().eq(is_amendment))
            .select(Fill::as_select())
            .first(self.conn)
            .optional()?)
    }

    /// Returns the sources of the rows with this execution id in the order chain of an order.
    pub(crate) fn sources_of_execution(
        &mut self,
        order_id: Uuid,
        execution_id: &str,
    ) -> Result<Vec<String>, Error> {
        let root = orders::table.find(order_id).select(orders::root_id);
        Ok(fills::table
            .filter(fills::root_id.eq_any(root))
            .filter(fills::execution_id.eq(execution_id))
            .select(fills::source)
            .distinct()
            .load(self.conn)?)
    }

    /// Returns the stored row with this id, if it is in the order chain of an order.
    pub(crate) fn find_in_chain(
        &mut self,
        order_id: Uuid,
        id: Uuid,
    ) -> Result<Option<Fill>, Error> {
        let root = orders::table.find(order_id).select(orders::root_id);
        Ok(Fill::query()
            .filter(fills::id.eq(id))
            .filter(fills::root_id.eq_any(root))
            .first(self.conn)
            .optional()?)
    }

    /// Returns all fills of an order, oldest first, with busts, corrections and the fills that these amend.
    ///
    /// The list is empty if the order is not stored or belongs to another trader than the session's.
    ///
    /// # Errors
    ///
    /// Only those of the connection.
    pub fn of_order(&mut self, order_id: Uuid) -> Result<Vec<Fill>, Error> {
        Ok(Fill::query()
            .filter(fills::order_id.eq(order_id))
            .order((fills::timestamp, fills::id))
            .load(self.conn)?)
    }

    /// Streams all fills that match a filter, oldest first, row by row from the server.
    ///
    /// Busts, corrections and the fills that these amend are among them. Memory use does not grow with the
    /// number of fills. The connection is busy until the iterator ends or is dropped.
    ///
    /// # Errors
    ///
    /// Only those of the connection: from the call if the query fails, from the iterator if reading a row
    /// fails.
    pub fn stream<'q>(
        &'q mut self,
        filter: &Filter<'q>,
    ) -> Result<impl Iterator<Item = Result<Fill, Error>> + 'q, Error> {
        let oldest_first = (fills::timestamp, fills::id);
        stream(self.conn, matching(filter, self.role).order(oldest_first).select(Fill::as_select()))
    }

    /// Returns one page of the fills that match a filter, newest first, busts and corrections among them.
    ///
    /// To read on, pass [`Listing::next`] to [`Page::after`].
    ///
    /// # Errors
    ///
    /// [`Error::is_invalid_input`]: the page has 0 rows or more than [`Page::MAX`].
    pub fn recent(&mut self, filter: &Filter<'_>, page: Page) -> Result<Listing<Fill>, Error> {
        let mut query = matching(filter, self.role);
        if let Some(Cursor { at, id }) = page.cursor() {
            query = query
                .filter(fills::timestamp.le(at))
                .filter(fills::timestamp.lt(at).or(fills::id.lt(id)));
        }
        let rows = query
            .order((fills::timestamp.desc(), fills::id.desc()))
            .limit(page.sql_limit()?)
            .select(Fill::as_select())
            .load(self.conn)?;
        Ok(page.listing(rows, |fill: &Fill| Cursor { at: fill.timestamp, id: fill.id }))
    }
}

/// Returns the query for the fills that match a filter.
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

/// Returns the query of the rows with this execution id of a source in the order chain of an order.
#[diesel::dsl::auto_type]
fn of_execution<'q>(order_id: Uuid, source: &'q str, execution_id: &'q str) -> _ {
    let root: diesel::dsl::Select<diesel::dsl::Find<orders::table, Uuid>, orders::root_id> =
        orders::table.find(order_id).select(orders::root_id);
    fills::table
        .filter(fills::root_id.eq_any(root))
        .filter(fills::source.eq(source))
        .filter(fills::execution_id.eq(execution_id))
}
