//! The execution log: the append-only audit trail of every order.
//!
//! The database writes an entry when an order is submitted, a fill recorded or amended, or a break stored or
//! resolved. Clients log the other actions: [`ExecutionLogs::append`] and [`ExecutionLogs::cancel`].

mod append;
mod rows;
mod tail;

use diesel::pg::Pg;
use diesel::prelude::*;
use uuid::Uuid;

#[cfg(feature = "ingest")]
pub(crate) use self::append::Logged;
#[cfg(feature = "ingest")]
pub(crate) use self::rows::EntryRow;
#[cfg(feature = "ingest")]
pub(crate) use self::rows::MAX_REASON;
pub use self::rows::{Ended, ExecutionLog, NewAction, NewExecutionLog};
pub use self::tail::{HeldBack, Tail, TailFrom};
use crate::database::role::Role;
use crate::database::transaction::{Tx, stream};
use crate::error::Error;
use crate::schema::execution_logs;
use crate::types::filter::Filter;
use crate::types::page::{Cursor, Listing, Page};

/// The repository of the execution log, from [`Tx::execution_logs`].
pub struct ExecutionLogs<'c, R> {
    pub(crate) conn: &'c mut PgConnection,
    pub(crate) role: R,
}

impl<R: Role> Tx<'_, R> {
    /// Returns the repository of the execution log.
    pub fn execution_logs(&mut self) -> ExecutionLogs<'_, R> {
        ExecutionLogs { role: self.role(), conn: self.conn() }
    }
}

impl<R: Role> ExecutionLogs<'_, R> {
    /// Returns the entries of an order, oldest first; none if the order is not visible to this session.
    ///
    /// # Errors
    ///
    /// Connection errors.
    pub fn of_order(&mut self, order_id: Uuid) -> Result<Vec<ExecutionLog>, Error> {
        Ok(ExecutionLog::query()
            .filter(execution_logs::order_id.eq(order_id))
            .order(execution_logs::sequence)
            .load(self.conn)?)
    }

    /// Returns a page of the entries that match the filter, newest first.
    ///
    /// # Errors
    ///
    /// [`Error::is_invalid_input`]: the page has 0 rows, or more than [`Page::MAX`].
    pub fn recent(
        &mut self,
        filter: &Filter<'_>,
        page: Page,
    ) -> Result<Listing<ExecutionLog>, Error> {
        let mut query = matching(filter, self.role);
        if let Some(Cursor { at, id }) = page.cursor() {
            query = query
                .filter(execution_logs::timestamp.le(at))
                .filter(execution_logs::timestamp.lt(at).or(execution_logs::id.lt(id)));
        }
        let newest_first = (execution_logs::timestamp.desc(), execution_logs::id.desc());
        self.load(query.order(newest_first), page)
    }

    /// Returns a page of the entries that match the filter, oldest first.
    ///
    /// Do not poll this as a feed: a transaction that commits late may add an entry before a page that has
    /// been read. [`Session::tail`](crate::Session::tail) misses none.
    ///
    /// # Errors
    ///
    /// Those of [`ExecutionLogs::recent`].
    pub fn trail(
        &mut self,
        filter: &Filter<'_>,
        page: Page,
    ) -> Result<Listing<ExecutionLog>, Error> {
        let mut query = matching(filter, self.role);
        if let Some(Cursor { at, id }) = page.cursor() {
            query = query
                .filter(execution_logs::timestamp.ge(at))
                .filter(execution_logs::timestamp.gt(at).or(execution_logs::id.gt(id)));
        }
        let oldest_first = (execution_logs::timestamp, execution_logs::id);
        self.load(query.order(oldest_first), page)
    }

    /// Returns the entries with the greatest numbers that match the filter, up to `limit`, by
    /// [`ExecutionLog::sequence`]; [`TailFrom::Listed`] continues them.
    ///
    /// # Errors
    ///
    /// Connection errors.
    pub fn newest(&mut self, filter: &Filter<'_>, limit: u32) -> Result<Vec<ExecutionLog>, Error> {
        let query = matching(filter, self.role);
        let query = query.order(execution_logs::sequence.desc()).limit(limit.into());
        let mut entries = query.select(ExecutionLog::as_select()).load(self.conn)?;
        entries.reverse();
        Ok(entries)
    }

    /// Streams all entries that match the filter, by [`ExecutionLog::sequence`].
    ///
    /// Entries are read from the server one by one, so memory does not grow with their number. The connection
    /// is busy until the last entry is read or the iterator is dropped.
    ///
    /// # Errors
    ///
    /// Connection errors; those that occur while reading are items of the iterator.
    pub fn stream<'q>(
        &'q mut self,
        filter: &Filter<'q>,
    ) -> Result<impl Iterator<Item = Result<ExecutionLog, Error>> + 'q, Error> {
        let query = matching(filter, self.role)
            .order(execution_logs::sequence)
            .select(ExecutionLog::as_select());
        stream(self.conn, query)
    }

    /// Returns up to `limit` entries that match the filter and follow this sequence number, by sequence.
    #[cfg(any(feature = "ingest", feature = "report"))]
    pub(crate) fn page_after(
        &mut self,
        filter: &Filter<'_>,
        after: Option<i64>,
        limit: u16,
    ) -> Result<Vec<ExecutionLog>, Error> {
        let mut query = matching(filter, self.role);
        if let Some(after) = after {
            query = query.filter(execution_logs::sequence.gt(after));
        }
        let query = query.order(execution_logs::sequence).limit(limit.into());
        Ok(query.select(ExecutionLog::as_select()).load(self.conn)?)
    }

    fn load(
        &mut self,
        query: execution_logs::BoxedQuery<'_, Pg>,
        page: Page,
    ) -> Result<Listing<ExecutionLog>, Error> {
        let query = query.limit(page.sql_limit()?).select(ExecutionLog::as_select());
        let rows = query.load(self.conn)?;
        Ok(page.listing(rows, |entry: &ExecutionLog| Cursor { at: entry.timestamp, id: entry.id }))
    }
}

/// Returns the query of the entries that match the filter and that this role may see.
pub(crate) fn matching<'f>(
    filter: &Filter<'f>,
    role: impl Role,
) -> execution_logs::BoxedQuery<'f, Pg> {
    let mut query = execution_logs::table.into_boxed();
    if let Some(trader_id) = filter.trader_condition(role.trader()) {
        query = query.filter(execution_logs::trader_id.eq(trader_id));
    }
    if let Some(order_id) = filter.order_id {
        query = query.filter(execution_logs::order_id.eq(order_id));
    }
    if let Some(orders) = filter.orders_by_terms() {
        query = query.filter(execution_logs::order_id.eq_any(orders));
    }
    if !filter.statuses.is_empty() {
        query = query.filter(execution_logs::status.eq_any(filter.statuses));
    }
    if let Some(from) = filter.from {
        query = query.filter(execution_logs::timestamp.ge(from));
    }
    if let Some(until) = filter.until {
        query = query.filter(execution_logs::timestamp.lt(until));
    }
    query
}
