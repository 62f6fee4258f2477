//! The scope of a report: counts and bounds of its rows, loaded before the rows are read.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use diesel::dsl::{count_star, exists, max, min, not, now};
use diesel::pg::PgRowByRowLoadingMode;
use diesel::prelude::*;
use diesel::sql_types::Timestamptz;

use crate::audit::Archive;
use crate::database::role::Compliance;
use crate::database::transaction::Tx;
use crate::execution_logs::matching;
use crate::schema::{archives, breaks, execution_logs, fills, orders};
use crate::types::enums::OrderStatus;
use crate::types::filter::Filter;

/// Counts and bounds of the entries that a report contains.
pub(super) struct Scope {
    /// The time of the snapshot.
    pub taken_at: DateTime<Utc>,
    pub rows: u64,
    pub first_sequence: Option<i64>,
    pub last_sequence: Option<i64>,
    pub orders: u64,
    pub outcomes: BTreeMap<OrderStatus, u64>,
    /// Venue times of the first and the last fill.
    pub fill_times: Option<(DateTime<Utc>, DateTime<Utc>)>,
    pub breaks_without_order: u64,
    pub archives: Vec<Archive>,
}

impl Scope {
    pub fn load(tx: &mut Tx<'_, Compliance>, filter: &Filter<'_>) -> QueryResult<Self> {
        let role = tx.role();
        let conn = tx.conn();
        let taken_at = diesel::select(now.into_sql::<Timestamptz>()).get_result(conn)?;
        let numbers = (min(execution_logs::sequence), max(execution_logs::sequence));
        let (rows, (first_sequence, last_sequence)): (i64, _) =
            matching(filter, role).select((count_star(), numbers)).get_result(conn)?;
        let fill_ids = matching(filter, role)
            .filter(execution_logs::fill_id.is_not_null())
            .select(execution_logs::fill_id.assume_not_null());
        let (first_fill, last_fill): (Option<DateTime<Utc>>, Option<DateTime<Utc>>) = fills::table
            .filter(fills::id.eq_any(fill_ids))
            .select((min(fills::timestamp), max(fills::timestamp)))
            .get_result(conn)?;
        let mut scope = Self {
            taken_at,
            rows: rows.unsigned_abs(),
            first_sequence,
            last_sequence,
            orders: 0,
            outcomes: BTreeMap::new(),
            fill_times: first_fill.zip(last_fill),
            breaks_without_order: breaks_without_order(conn, filter)?,
            archives: archives(conn, filter)?,
        };
        // Diesel's boxed queries do not support DISTINCT ON, so the filter goes into a subquery.
        let selected = matching(filter, role).select(execution_logs::id);
        let last_status_of_each = execution_logs::table
            .filter(execution_logs::id.eq_any(selected))
            .distinct_on(execution_logs::order_id)
            .order((execution_logs::order_id, execution_logs::sequence.desc()))
            .select(execution_logs::status)
            .load_iter::<Option<OrderStatus>, PgRowByRowLoadingMode>(conn)?;
        for status in last_status_of_each {
            scope.orders += 1;
            if let Some(status) = status? {
                *scope.outcomes.entry(status).or_default() += 1;
            }
        }
        Ok(scope)
    }
}

/// Counts the breaks that name no stored order. They have no log entry, so a filter on an order or its terms
/// excludes them.
fn breaks_without_order(conn: &mut PgConnection, filter: &Filter<'_>) -> QueryResult<u64> {
    let Filter { trader_id, order_id, symbol, account, time_in_force, statuses, from, until } =
        filter;
    let terms = [*symbol, *account];
    if trader_id.is_some()
        || order_id.is_some()
        || terms.iter().any(Option::is_some)
        || time_in_force.is_some()
        || !statuses.is_empty()
    {
        return Ok(0);
    }
    let its_order = orders::table.filter(orders::id.nullable().eq(breaks::order_id));
    let mut query = breaks::table.filter(not(exists(its_order))).into_boxed();
    if let Some(from) = from {
        query = query.filter(breaks::created_at.ge(from));
    }
    if let Some(until) = until {
        query = query.filter(breaks::created_at.lt(until));
    }
    let count: i64 = query.count().get_result(conn)?;
    Ok(count.unsigned_abs())
}

/// Returns the archives whose records may have been in the range.
fn archives(conn: &mut PgConnection, filter: &Filter<'_>) -> QueryResult<Vec<Archive>> {
    let mut query = Archive::query().order(archives::sequence).into_boxed();
    if let Some(from) = filter.from {
        query = query.filter(archives::before.gt(from));
    }
    query.load(conn)
}
