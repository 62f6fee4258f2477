//! Breaks: reports that could not be applied, stored until somebody resolves them.
//!
//! - [`Breaks::record_or_break`] and [`Breaks::record_batch_or_break`] apply an execution or store it as a
//!   break.
//! - [`Breaks::reconcile`] compares the totals of an order with those that its venue reports, and stores a
//!   difference as a break.
//! - [`Breaks::record_unapplied`] stores an order that the store cannot hold, or another action that could not be
//!   applied, as a break.
//! - [`Breaks::resolve`] books a break as a fill, or dismisses it.
//! - [`Breaks::get`], [`Breaks::open`] and [`Breaks::recent`] read breaks with their resolutions.

mod apply;
mod execution;
mod insert;
mod outcome;
#[cfg(feature = "ingest")]
mod read;
mod reconcile;
mod rows;
#[cfg(all(test, feature = "embedded", feature = "ingest"))]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests;
mod unapplied;

use diesel::dsl::{IntoBoxed, LeftJoin};
use diesel::pg::Pg;
use diesel::prelude::*;
use uuid::Uuid;

#[cfg(feature = "ingest")]
pub(crate) use self::apply::ExecutionIds;
pub use self::execution::{Execution, ExecutionKind};
#[cfg(feature = "ingest")]
pub(crate) use self::execution::{MAX_RAW, fits_a_break, nearest_in_a_break};
pub use self::outcome::Outcome;
#[cfg(feature = "ingest")]
pub(crate) use self::read::Awaited;
pub use self::rows::{Break, BreakHistory, BreakResolution, NewBreakResolution, Resolution};
pub use self::unapplied::{UnappliedReason, UnappliedReport};
use crate::database::role::{Engine, Role};
use crate::database::transaction::Tx;
use crate::error::Error;
use crate::schema::{break_resolutions, breaks};
use crate::types::filter::Filter;
use crate::types::page::{Cursor, Listing, Page};
use crate::types::text;

/// Maximum length of the reason of a resolution, in characters: below the 1000 of the log's reason, in which
/// the database repeats it with a few words before it.
const MAX_REASON: usize = 900;

/// The repository of breaks, from [`Tx::breaks`].
pub struct Breaks<'c, R> {
    pub(crate) conn: &'c mut PgConnection,
    pub(crate) role: R,
}

impl<R: Role> Tx<'_, R> {
    /// Returns the repository of breaks.
    pub fn breaks(&mut self) -> Breaks<'_, R> {
        Breaks { role: self.role(), conn: self.conn() }
    }
}

impl Breaks<'_, Engine> {
    /// Resolves a break: books it as a fill, bust or correction, or dismisses it. A break is resolved once.
    ///
    /// A bust or correction is booked to the order of the fill that it amends, which may be another order of the
    /// chain. If an order has ended, booking leaves its status as it is. The execution log of the order records
    /// the resolution as RECOVERED; if the break is booked to another order than it names, so does the log
    /// of the order that it names.
    ///
    /// # Errors
    ///
    /// - [`Error::is_not_found`]: no break has this id.
    /// - [`Error::is_invalid_input`]: the reason is blank or longer than 900 characters.
    /// - [`Error::is_over_fill`]: the fill would exceed the order's quantity.
    /// - [`Error::is_rule_violation`]:
    ///   - the break is resolved already (`uq_break_resolutions_break_id`);
    ///   - the order to book it to is not stored, or is of another trader than the one that the break was
    ///     reported for (`break_resolutions_order`);
    ///   - the break holds no execution, so it can only be dismissed (`break_resolutions_execution`);
    ///   - its quantity, price or commission does not fit the columns of a fill
    ///     (`break_resolutions_exact`);
    ///   - it amends a fill that the order chain does not have, or several of other sources
    ///     (`fk_fills_amends`);
    ///   - another execution with its execution id is stored (`uq_fills_execution_id`).
    pub fn resolve(&mut self, new: &NewBreakResolution<'_>) -> Result<BreakResolution, Error> {
        self.resolve_as(Uuid::now_v7(), new)
    }

    /// Resolves a break as [`Breaks::resolve`] does, under an id that the caller has chosen for the resolution.
    pub(crate) fn resolve_as(
        &mut self,
        id: Uuid,
        new: &NewBreakResolution<'_>,
    ) -> Result<BreakResolution, Error> {
        let NewBreakResolution { break_id, resolution, reason } = *new;
        text::check("reason", reason, MAX_REASON)?;
        let (is_booked, order_id) = match resolution {
            Resolution::Book { order } => (true, order),
            Resolution::Dismiss => (false, None),
        };
        diesel::insert_into(break_resolutions::table)
            .values((
                break_resolutions::id.eq(id),
                break_resolutions::break_id.eq(break_id),
                break_resolutions::is_booked.eq(is_booked),
                break_resolutions::order_id.eq(order_id),
                break_resolutions::reason.eq(reason),
            ))
            .returning(BreakResolution::as_returning())
            .get_result(self.conn)
            .map_err(|error| {
                Error::from(error)
                    .not_found_if("fk_break_resolutions_break_id", "break", break_id)
                    .with_row("break", break_id)
            })
    }
}

impl<R: Role> Breaks<'_, R> {
    /// Returns a break with its resolution, by the id of the break.
    ///
    /// # Errors
    ///
    /// [`Error::is_not_found`]: no break has this id, or it is of another trader's order.
    pub fn get(&mut self, id: Uuid) -> Result<BreakHistory, Error> {
        breaks::table
            .left_join(break_resolutions::table)
            .filter(breaks::id.eq(id))
            .select((Break::as_select(), Option::<BreakResolution>::as_select()))
            .first(self.conn)
            .optional()?
            .map(|(reported, resolution)| BreakHistory { reported, resolution })
            .ok_or_else(|| Error::not_found("break", id))
    }

    /// Returns the open breaks that match the filter, newest first.
    ///
    /// Symbol and statuses in the filter are those of the order that the break names. A trader sees the
    /// breaks of its own orders; breaks of unknown orders are visible to the engine and to compliance only.
    ///
    /// # Errors
    ///
    /// [`Error::is_invalid_input`]: the page has 0 rows, or more than [`Page::MAX`].
    pub fn open(
        &mut self,
        filter: &Filter<'_>,
        page: Page,
    ) -> Result<Listing<BreakHistory>, Error> {
        self.list(filter, page, true)
    }

    /// Returns the breaks that match the filter, open or resolved, newest first.
    ///
    /// The filter and the visibility are those of [`Breaks::open`].
    ///
    /// # Errors
    ///
    /// Those of [`Breaks::open`].
    pub fn recent(
        &mut self,
        filter: &Filter<'_>,
        page: Page,
    ) -> Result<Listing<BreakHistory>, Error> {
        self.list(filter, page, false)
    }

    /// Returns the number of open breaks that the session may see.
    ///
    /// # Errors
    ///
    /// Only those of the connection.
    pub fn count_open(&mut self) -> Result<u64, Error> {
        let open = breaks::table
            .left_join(break_resolutions::table)
            .filter(break_resolutions::id.is_null())
            .count();
        let count: i64 = open.get_result(self.conn)?;
        Ok(count.unsigned_abs())
    }

    fn list(
        &mut self,
        filter: &Filter<'_>,
        page: Page,
        only_open: bool,
    ) -> Result<Listing<BreakHistory>, Error> {
        let mut query = matching(filter, self.role);
        if only_open {
            query = query.filter(break_resolutions::id.is_null());
        }
        if let Some(Cursor { at, id }) = page.cursor() {
            query = query
                .filter(breaks::created_at.le(at))
                .filter(breaks::created_at.lt(at).or(breaks::id.lt(id)));
        }
        let rows: Vec<(Break, Option<BreakResolution>)> = query
            .order((breaks::created_at.desc(), breaks::id.desc()))
            .limit(page.sql_limit()?)
            .select((Break::as_select(), Option::<BreakResolution>::as_select()))
            .load(self.conn)?;
        let rows = rows.into_iter();
        let rows = rows.map(|(reported, resolution)| BreakHistory { reported, resolution });
        Ok(page.listing(rows.collect(), |row: &BreakHistory| Cursor {
            at: row.reported.created_at,
            id: row.reported.id,
        }))
    }
}

/// Returns the query of the breaks that match the filter and that this role may see, with their resolutions.
fn matching<'f>(
    filter: &Filter<'f>,
    role: impl Role,
) -> IntoBoxed<'f, LeftJoin<breaks::table, break_resolutions::table>, Pg> {
    let mut query = breaks::table.left_join(break_resolutions::table).into_boxed();
    if let Some(trader_id) = filter.trader_condition(role.trader()) {
        query = query.filter(breaks::trader_id.eq(trader_id));
    }
    if let Some(order_id) = filter.order_id {
        query = query.filter(breaks::order_id.eq(order_id));
    }
    if let Some(orders) = filter.orders() {
        query = query.filter(breaks::order_id.eq_any(orders.nullable()));
    }
    if let Some(from) = filter.from {
        query = query.filter(breaks::created_at.ge(from));
    }
    if let Some(until) = filter.until {
        query = query.filter(breaks::created_at.lt(until));
    }
    query
}
