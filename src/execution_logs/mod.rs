//! The execution log: the audit trail of every order.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use diesel::pg::Pg;
use diesel::prelude::*;
use uuid::Uuid;

use crate::database::role::{Engine, Role, Trades};
use crate::database::transaction::{Tx, stream};
use crate::database::unnest;
use crate::error::Error;
use crate::schema::{execution_logs, orders};
use crate::types::enums::{Action, OrderStatus};
use crate::types::filter::Filter;
use crate::types::page::{Cursor, Listing, Page};
use crate::types::text;

/// Characters that a reason may have.
pub(crate) const MAX_REASON: usize = 1000;

/// One action on an order. Rows are only ever added: the database takes neither UPDATE nor DELETE.
#[derive(HasQuery, Identifiable, Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[diesel(table_name = execution_logs)]
#[diesel(check_for_backend(diesel::pg::Pg))]
pub struct ExecutionLog {
    /// Unique log entry identifier.
    pub id: Uuid,
    /// The order acted upon.
    pub order_id: Uuid,
    /// The trader whose order it is.
    pub trader_id: Uuid,
    /// What happened.
    pub action: Action,
    /// The order's status after the action.
    pub status: Option<OrderStatus>,
    /// Moment of the event.
    pub timestamp: DateTime<Utc>,
    /// Why, in words (FIX tag 58, Text).
    pub reason: Option<String>,
    /// Number of the retry; 0 = first try.
    pub retry_attempt: Option<i32>,
    /// The venue's code, e.g. of FIX tag 103, OrdRejReason.
    pub error_code: Option<String>,
    /// Recorded.
    pub created_at: DateTime<Utc>,
    /// Place in the whole log: the entries of an order are numbered as they happened, those of
    /// different orders as they were written, with gaps.
    pub sequence: i64,
    /// The fill, bust or correction that was booked.
    pub fill_id: Option<Uuid>,
    /// The venue's id of the order (FIX tag 37, OrderID), when the action told it.
    pub venue_order_id: Option<String>,
    /// Login that acted; none in entries of before it was kept.
    pub acted_by: Option<String>,
    /// Database role it acted as; none in entries of before it was kept.
    pub acted_as: Option<String>,
    /// The break that was kept, booked or dismissed.
    pub break_id: Option<Uuid>,
    /// When it happened, as the venue reports it (FIX tag 60, TransactTime).
    pub reported_at: Option<DateTime<Utc>>,
}

/// An action to log.
///
/// ```
/// use tradeblotter::{Action, NewExecutionLog};
/// # let order_id = uuid::Uuid::from_u128(1);
///
/// let entry = NewExecutionLog {
///     reason: Some("unknown symbol"),
///     error_code: Some("103=1"),
///     ..NewExecutionLog::new(order_id, Action::Rejected)
/// };
/// ```
#[derive(Insertable, Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[diesel(table_name = execution_logs, treat_none_as_default_value = false)]
pub struct NewExecutionLog<'a> {
    /// The order acted upon.
    pub order_id: Uuid,
    /// What happened: any action but SUBMITTED and FILLED, which the database logs itself.
    pub action: Action,
    /// With RECOVERED on an open order REJECTED or CANCELLED, which ends it: a repair, after a
    /// reconciliation, of an end that was missed. Otherwise left out, because it follows from the
    /// action.
    pub status: Option<OrderStatus>,
    /// Why, in words, up to 1000 characters.
    pub reason: Option<&'a str>,
    /// Number of the retry; 0 = first try.
    pub retry_attempt: Option<i32>,
    /// The venue's code, up to 50 characters.
    pub error_code: Option<&'a str>,
    /// The venue's id of the order, up to 64 characters, as it acknowledges it (FIX tag 37, OrderID).
    /// The order takes over the first one that is told, and keeps it.
    pub venue_order_id: Option<&'a str>,
    /// When it happened by the venue's clock (FIX tag 60, TransactTime); kept to the microsecond, beside
    /// the time at which it is recorded.
    pub reported_at: Option<DateTime<Utc>>,
}

impl NewExecutionLog<'_> {
    /// An action with nothing more to say about it.
    pub fn new(order_id: Uuid, action: Action) -> Self {
        Self {
            order_id,
            action,
            status: None,
            reason: None,
            retry_attempt: None,
            error_code: None,
            venue_order_id: None,
            reported_at: None,
        }
    }

    fn check(&self) -> Result<(), Error> {
        if let Some(reason) = self.reason {
            text::check("reason", reason, MAX_REASON)?;
        }
        if let Some(code) = self.error_code {
            text::check("error code", code, 50)?;
        }
        if let Some(id) = self.venue_order_id {
            text::check("venue order id", id, text::MAX_ID)?;
        }
        if let Some(attempt) = self.retry_attempt.filter(|attempt| *attempt < 0) {
            return Err(Error::invalid("retry attempt", &attempt.to_string(), "is less than 0"));
        }
        Ok(())
    }
}

/// The repository of the log, from [`Tx::execution_logs`].
pub struct ExecutionLogs<'c, R> {
    pub(crate) conn: &'c mut PgConnection,
    pub(crate) role: R,
}

impl<R: Role> Tx<'_, R> {
    /// The execution log: the audit trail.
    pub fn execution_logs(&mut self) -> ExecutionLogs<'_, R> {
        ExecutionLogs { role: self.role(), conn: self.connection() }
    }
}

impl ExecutionLogs<'_, Engine> {
    /// Logs an action. The database moves its order accordingly: REJECTED and CANCELLED end it, the
    /// others leave its status as it is, but for a RECOVERED that says how it ended. RECOVERED may be
    /// logged on an order in any status, the rest only while it is PENDING or PARTIAL.
    ///
    /// # Errors
    ///
    /// - [`Error::is_not_found`]: no such order.
    /// - [`Error::is_illegal_transition`]: the order is FILLED, REJECTED or CANCELLED.
    /// - [`Error::is_invalid_input`]: a reason that is blank or longer than 1000 characters; an
    ///   error code that is blank or longer than 50; a venue's order id that is blank or longer than
    ///   64; a negative retry.
    /// - [`Error::is_rule_violation`]: SUBMITTED or FILLED, which the database logs itself
    ///   (`execution_logs_automatic`); a status other than the one that the action leads to
    ///   (`execution_logs_status_derived`); another id at the venue than the order has
    ///   (`execution_logs_one_venue_order`).
    pub fn append(&mut self, new: &NewExecutionLog<'_>) -> Result<ExecutionLog, Error> {
        insert(self.conn, new)
    }

    /// Logs actions, at most one of each order, all of them or none, as [`ExecutionLogs::append`] takes
    /// each; returns them in the same order. They are logged in the sequence of their orders' ids: so
    /// batches of several clients wait for each other and never in a circle.
    ///
    /// # Errors
    ///
    /// Those of [`ExecutionLogs::append`], for the first that is refused; two of one order are
    /// [`Error::is_illegal_transition`].
    pub fn append_batch(
        &mut self,
        new: &[NewExecutionLog<'_>],
    ) -> Result<Vec<ExecutionLog>, Error> {
        let rows: Vec<_> = new.iter().map(|new| (Uuid::now_v7(), *new)).collect();
        self.append_rows(&rows)
    }

    /// [`ExecutionLogs::append_batch`], of entries that have an id already.
    pub(crate) fn append_rows(
        &mut self,
        rows: &[(Uuid, NewExecutionLog<'_>)],
    ) -> Result<Vec<ExecutionLog>, Error> {
        rows.iter().try_for_each(|(_, new)| new.check())?;
        let mut sorted: Vec<_> = rows.iter().collect();
        sorted.sort_by_key(|(_, new)| new.order_id);
        // A savepoint: who goes on after a refusal must not keep a part of it.
        self.conn.transaction(|conn| {
            let mut stored = HashMap::with_capacity(rows.len());
            for batch in sorted.chunks(unnest::ROWS) {
                let new = || batch.iter().map(|(_, new)| new);
                let entries: Vec<ExecutionLog> = unnest::insert_into(execution_logs::table)
                    .column(execution_logs::id, batch.iter().map(|(id, _)| *id))
                    .column(execution_logs::order_id, new().map(|new| new.order_id))
                    .column(execution_logs::action, new().map(|new| new.action))
                    .column(execution_logs::status, new().map(|new| new.status))
                    .column(execution_logs::reason, new().map(|new| new.reason))
                    .column(execution_logs::retry_attempt, new().map(|new| new.retry_attempt))
                    .column(execution_logs::error_code, new().map(|new| new.error_code))
                    .column(execution_logs::venue_order_id, new().map(|new| new.venue_order_id))
                    .column(execution_logs::reported_at, new().map(|new| new.reported_at))
                    .returning(ExecutionLog::as_returning())
                    .load(conn)
                    .map_err(|error| {
                        let orders = batch.iter().map(|(_, new)| new.order_id);
                        let key = "fk_execution_logs_order_id";
                        Error::from(error).not_found_if_among(key, "order", orders)
                    })?;
                stored.extend(entries.into_iter().map(|entry| (entry.id, entry)));
            }
            Ok(rows.iter().filter_map(|(id, _)| stored.remove(id)).collect())
        })
    }
}

impl<R: Trades> ExecutionLogs<'_, R> {
    /// Cancels an order: logs CANCELLED, and the database ends the order. What was filled stays
    /// filled.
    ///
    /// # Errors
    ///
    /// - [`Error::is_not_found`]: no such order, or another trader's.
    /// - [`Error::is_illegal_transition`]: the order is FILLED, REJECTED or CANCELLED.
    /// - [`Error::is_invalid_input`]: a reason that is blank or longer than 1000 characters.
    pub fn cancel(&mut self, order_id: Uuid, reason: Option<&str>) -> Result<ExecutionLog, Error> {
        let new = NewExecutionLog { reason, ..NewExecutionLog::new(order_id, Action::Cancelled) };
        insert(self.conn, &new)
    }
}

impl<R: Role> ExecutionLogs<'_, R> {
    /// The audit trail of an order, oldest first; empty for an order this session may not see.
    ///
    /// # Errors
    ///
    /// Those of the connection.
    pub fn of_order(&mut self, order_id: Uuid) -> Result<Vec<ExecutionLog>, Error> {
        Ok(ExecutionLog::query()
            .filter(execution_logs::order_id.eq(order_id))
            .order(execution_logs::sequence)
            .load(self.conn)?)
    }

    /// The entries that match, newest first.
    ///
    /// # Errors
    ///
    /// [`Error::is_invalid_input`] for a page of 0 or of more than [`Page::MAX`] rows.
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

    /// The entries that match, oldest first: the audit trail as it is read. It is no feed: an
    /// entry committed late may stand before a page that has been read already.
    ///
    /// # Errors
    ///
    /// As [`ExecutionLogs::recent`].
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

    /// All entries that match, in the sequence in which they were logged, as they come from the server: none
    /// is kept, however many there are. The connection is busy until the last one, or until the iterator is
    /// dropped.
    ///
    /// # Errors
    ///
    /// Those of the connection; inside, those that it meets on the way.
    pub fn stream<'q>(
        &'q mut self,
        filter: &Filter<'q>,
    ) -> Result<impl Iterator<Item = Result<ExecutionLog, Error>> + 'q, Error> {
        let query = matching(filter, self.role)
            .order(execution_logs::sequence)
            .select(ExecutionLog::as_select());
        stream(self.conn, query)
    }

    /// Up to so many entries that match and follow this place in the log, by their place in it.
    #[cfg(any(feature = "ingest", feature = "report"))]
    pub(crate) fn sequel(
        &mut self,
        filter: &Filter<'_>,
        after: Option<i64>,
        at_most: u16,
    ) -> Result<Vec<ExecutionLog>, Error> {
        let mut query = matching(filter, self.role);
        if let Some(after) = after {
            query = query.filter(execution_logs::sequence.gt(after));
        }
        let query = query.order(execution_logs::sequence).limit(at_most.into());
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

fn insert(conn: &mut PgConnection, new: &NewExecutionLog<'_>) -> Result<ExecutionLog, Error> {
    new.check()?;
    diesel::insert_into(execution_logs::table)
        .values((execution_logs::id.eq(Uuid::now_v7()), new))
        .returning(ExecutionLog::as_returning())
        .get_result(conn)
        .map_err(|error| {
            Error::from(error)
                .not_found_if("fk_execution_logs_order_id", "order", new.order_id)
                .with_row("log of order", new.order_id)
        })
}

/// The entries that match.
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
    if let Some(symbol) = filter.symbol {
        let in_symbol = orders::table.filter(orders::symbol.eq(symbol)).select(orders::id);
        query = query.filter(execution_logs::order_id.eq_any(in_symbol));
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
