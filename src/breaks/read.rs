//! Reads the breaks that an ingest compares its reports with, and those that an export writes, each query by an
//! index.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use diesel::pg::Pg;
use diesel::prelude::*;
use uuid::Uuid;

use super::{Break, BreakHistory, BreakResolution, Breaks, matching};
use crate::database::role::{Engine, Role};
use crate::error::Error;
use crate::schema::{break_resolutions, breaks, execution_logs};
use crate::types::enums::BreakReason;
use crate::types::filter::Filter;

/// The reasons of breaks that wait for a person, since applying the report again cannot decide them.
const UNDECIDED: [BreakReason; 2] = [BreakReason::OverFill, BreakReason::Mismatch];

/// The reasons of breaks that an order which comes may settle.
const WAITING_FOR_AN_ORDER: [BreakReason; 2] =
    [BreakReason::UnknownOrder, BreakReason::UnappliedAction];

/// The reasons of breaks that a fill or an amendment of their order may settle.
const WAITING_FOR_A_CHANGE: [BreakReason; 2] =
    [BreakReason::UnknownFill, BreakReason::UnappliedAction];

/// What open breaks wait for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Awaited<'a> {
    /// An order that was not known, by the client order id under which they name it.
    Order { trader_id: Uuid, client_order_id: &'a str },
    /// A fill or an amendment of one of these orders.
    ChangeOf(&'a [Uuid]),
    /// Anything but a person. `None` is the breaks of all; otherwise those of these traders, and those of no trader.
    Anything { of: Option<&'a [Uuid]> },
}

impl<R: Role> Breaks<'_, R> {
    /// Returns the breaks with these ids, open or resolved, with their resolutions.
    pub(crate) fn with_ids(&mut self, ids: &[Uuid]) -> Result<Vec<BreakHistory>, Error> {
        let rows: Vec<(Break, Option<BreakResolution>)> = breaks::table
            .left_join(break_resolutions::table)
            .filter(breaks::id.eq_any(ids))
            .select((Break::as_select(), Option::<BreakResolution>::as_select()))
            .load(self.conn)?;
        Ok(histories(rows))
    }

    /// Returns up to `limit` breaks that match the filter, open or resolved, oldest first. `after` is time and id of
    /// the last break of the page before.
    pub(crate) fn page_after(
        &mut self,
        filter: &Filter<'_>,
        after: Option<(DateTime<Utc>, Uuid)>,
        limit: u16,
    ) -> Result<Vec<BreakHistory>, Error> {
        let mut query = matching(filter, self.role);
        if let Some((at, id)) = after {
            query = query.filter(comes_after(at, id));
        }
        let rows = query
            .order((breaks::created_at, breaks::id))
            .limit(limit.into())
            .select((Break::as_select(), Option::<BreakResolution>::as_select()))
            .load(self.conn)?;
        Ok(histories(rows))
    }

    /// Returns the numbers of the log entries that record the storage of these breaks, by break. A break that named
    /// no stored order when it was stored has none.
    ///
    /// The log of an order has one entry when a break of it is stored, and another when the break is resolved. The
    /// first of the two is about the storage.
    pub(crate) fn storage_entries(
        &mut self,
        histories: &[BreakHistory],
    ) -> Result<HashMap<Uuid, i64>, Error> {
        let orders: HashMap<Uuid, Uuid> = histories
            .iter()
            .filter_map(|history| Some((history.reported.id, history.reported.order_id?)))
            .collect();
        if orders.is_empty() {
            return Ok(HashMap::new());
        }
        let entries: Vec<(Option<Uuid>, Uuid, i64)> = execution_logs::table
            .filter(execution_logs::order_id.eq_any(orders.values()))
            .filter(execution_logs::break_id.eq_any(orders.keys()))
            .order(execution_logs::sequence)
            .select((execution_logs::break_id, execution_logs::order_id, execution_logs::sequence))
            .load(self.conn)?;
        let mut of_breaks: HashMap<Uuid, Vec<i64>> = HashMap::new();
        for (break_id, order_id, sequence) in entries {
            if let Some(id) = break_id.filter(|id| orders.get(id) == Some(&order_id)) {
                of_breaks.entry(id).or_default().push(sequence);
            }
        }
        Ok(histories
            .iter()
            .filter_map(|BreakHistory { reported, resolution }| {
                let entries = of_breaks.get(&reported.id)?;
                let of_resolution = usize::from(resolution.is_some());
                Some((reported.id, *entries.first().filter(|_| entries.len() > of_resolution)?))
            })
            .collect())
    }
}

impl Breaks<'_, Engine> {
    /// Returns the breaks with these execution ids, open or resolved, oldest first: those that name one of these
    /// orders, stored or not, and those that name no order but one of these traders, or no trader.
    pub(crate) fn of_executions(
        &mut self,
        order_ids: &[Uuid],
        trader_ids: &[Uuid],
        execution_ids: &[&str],
    ) -> Result<Vec<BreakHistory>, Error> {
        let of_traders = breaks::trader_id.is_null().or(breaks::trader_id.eq_any(trader_ids));
        let rows: Vec<(Break, Option<BreakResolution>)> = breaks::table
            .left_join(break_resolutions::table)
            .filter(breaks::execution_id.eq_any(execution_ids))
            .filter(
                breaks::order_id.eq_any(order_ids).or(breaks::order_id.is_null().and(of_traders)),
            )
            .order((breaks::created_at, breaks::id))
            .select((Break::as_select(), Option::<BreakResolution>::as_select()))
            .load(self.conn)?;
        Ok(histories(rows))
    }

    /// Returns the open breaks of totals of these orders, oldest first.
    pub(crate) fn open_totals(&mut self, order_ids: &[Uuid]) -> Result<Vec<Break>, Error> {
        Ok(Break::query()
            .filter(breaks::order_id.eq_any(order_ids))
            .filter(breaks::reason.eq(BreakReason::Totals))
            .filter(is_open())
            .order((breaks::created_at, breaks::id))
            .load(self.conn)?)
    }

    /// Returns those of these client order ids of a trader by which open breaks name an order that was not known.
    pub(crate) fn awaited_orders(
        &mut self,
        trader_id: Uuid,
        client_order_ids: &[&str],
    ) -> Result<Vec<String>, Error> {
        Ok(breaks::table
            .filter(breaks::client_order_id.eq_any(client_order_ids))
            .filter(breaks::trader_id.eq(trader_id))
            .filter(breaks::order_id.is_null())
            .filter(breaks::reason.eq_any(WAITING_FOR_AN_ORDER))
            .filter(is_open())
            .select(breaks::client_order_id.assume_not_null())
            .distinct()
            .load(self.conn)?)
    }

    /// Returns the open breaks of these orders that wait for a change of their order chain: each with the id of the fill
    /// that it amends, or none if it is an action.
    pub(crate) fn awaited_changes(
        &mut self,
        order_ids: &[Uuid],
    ) -> Result<Vec<(Uuid, Option<String>)>, Error> {
        Ok(breaks::table
            .filter(breaks::order_id.eq_any(order_ids))
            .filter(breaks::reason.eq_any(WAITING_FOR_A_CHANGE))
            .filter(is_open())
            .select((breaks::order_id.assume_not_null(), breaks::refers_to))
            .load(self.conn)?)
    }

    /// Returns up to `limit` open breaks that wait for this, oldest first. `after` is time and id of the last break of the page
    /// before.
    pub(crate) fn open_waiting(
        &mut self,
        awaited: Awaited<'_>,
        after: Option<(DateTime<Utc>, Uuid)>,
        limit: i64,
    ) -> Result<Vec<Break>, Error> {
        let mut query = Break::query()
            .filter(is_open())
            .order((breaks::created_at, breaks::id))
            .limit(limit)
            .into_boxed::<Pg>();
        query = match awaited {
            Awaited::Order { trader_id, client_order_id } => query
                .filter(breaks::client_order_id.eq(client_order_id))
                .filter(breaks::trader_id.eq(trader_id))
                .filter(breaks::order_id.is_null())
                .filter(breaks::reason.eq_any(WAITING_FOR_AN_ORDER)),
            Awaited::ChangeOf(order_ids) => query
                .filter(breaks::order_id.eq_any(order_ids))
                .filter(breaks::reason.eq_any(WAITING_FOR_A_CHANGE)),
            Awaited::Anything { of } => {
                let query = query.filter(breaks::reason.ne_all(UNDECIDED));
                match of {
                    None => query,
                    Some(traders) => query
                        .filter(breaks::trader_id.is_null().or(breaks::trader_id.eq_any(traders))),
                }
            }
        };
        if let Some((at, id)) = after {
            query = query.filter(comes_after(at, id));
        }
        Ok(query.load(self.conn)?)
    }
}

/// Whether a break is open.
#[diesel::dsl::auto_type]
fn is_open() -> _ {
    let resolution = break_resolutions::table.filter(break_resolutions::break_id.eq(breaks::id));
    diesel::dsl::not(diesel::dsl::exists(resolution))
}

/// Whether a break comes after the one of this time and id. The first comparison is the one that an index answers.
#[diesel::dsl::auto_type]
fn comes_after(at: DateTime<Utc>, id: Uuid) -> _ {
    breaks::created_at.ge(at).and(breaks::created_at.gt(at).or(breaks::id.gt(id)))
}

/// Pairs each break with its resolution.
fn histories(rows: Vec<(Break, Option<BreakResolution>)>) -> Vec<BreakHistory> {
    rows.into_iter().map(|(reported, resolution)| BreakHistory { reported, resolution }).collect()
}
