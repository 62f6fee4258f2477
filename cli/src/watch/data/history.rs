//! Reads the history of one order: a page of its entries with their fills, and the totals of its venues.

use std::collections::{HashMap, HashSet};

use bigdecimal::BigDecimal;
use diesel::dsl::{count_star, exists, not, sql, sum};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::sql_types::Numeric;
use tradeblotter::role::Reader;
use tradeblotter::schema::{execution_logs, fills, orders};
use tradeblotter::{Error, ExecutionLog, Fill, Order, Tx};
use uuid::Uuid;

use super::orders::limit;
use crate::watch::page::{self, Direction, Page, Slice, Window};
use crate::watch::rows::{Entry, VenueTotals};

/// The most venues whose totals are read.
const MAX_VENUES: i64 = 20;

/// Returns the order with this id; none if the session sees no such order.
pub fn order(tx: &mut Tx<'_, Reader>, id: Uuid) -> Result<Option<Order>, Error> {
    Ok(Order::query().filter(orders::id.eq(id)).first(tx.connection()).optional()?)
}

/// Returns a page of the entries of an order, the newest first.
pub fn entries(tx: &mut Tx<'_, Reader>, order: Uuid, window: Window) -> Result<Page<Entry>, Error> {
    let Page { rows, has_before, has_after } =
        page::read(window, Direction::Descending, |slice| logged(tx, order, slice))?;
    let ids: Vec<Uuid> = rows.iter().filter_map(|entry: &ListedEntry| entry.0.fill_id).collect();
    let conn = tx.connection();
    let found: Vec<Fill> = Fill::query().filter(fills::id.eq_any(&ids)).load(conn)?;
    let mut of_entries: HashMap<Uuid, Fill> =
        found.into_iter().map(|fill| (fill.id, fill)).collect();
    let amended: Vec<Option<Uuid>> =
        fills::table.filter(fills::amends.eq_any(&ids)).select(fills::amends).load(conn)?;
    let amended: HashSet<Uuid> = amended.into_iter().flatten().collect();
    let rows = rows.into_iter().map(|ListedEntry(log)| Entry {
        is_amended: log.fill_id.is_some_and(|id| amended.contains(&id)),
        fill: log.fill_id.and_then(|id| of_entries.remove(&id)),
        log,
    });
    Ok(Page { rows: rows.collect(), has_before, has_after })
}

struct ListedEntry(ExecutionLog);

fn logged(tx: &mut Tx<'_, Reader>, order: Uuid, slice: Slice) -> Result<Vec<ListedEntry>, Error> {
    let mut query = execution_logs::table
        .filter(execution_logs::order_id.eq(order))
        .select(ExecutionLog::as_select())
        .into_boxed::<Pg>();
    if let Some(least) = slice.bounds.least {
        query = query.filter(execution_logs::sequence.ge(least));
    }
    if let Some(most) = slice.bounds.most {
        query = query.filter(execution_logs::sequence.le(most));
    }
    query = match slice.direction {
        Direction::Descending => query.order(execution_logs::sequence.desc()),
        Direction::Ascending => query.order(execution_logs::sequence.asc()),
    };
    let entries: Vec<ExecutionLog> = query.limit(limit(slice)).load(tx.connection())?;
    Ok(entries.into_iter().map(ListedEntry).collect())
}

/// Returns the totals of the fills of an order that count, by venue, the most shares first.
pub fn totals(tx: &mut Tx<'_, Reader>, order: Uuid) -> Result<Vec<VenueTotals>, Error> {
    let amendment = diesel::alias!(fills as amendment);
    let is_amended =
        exists(amendment.filter(amendment.field(fills::amends).eq(fills::id.nullable())));
    type Row = (String, i64, Option<i64>, BigDecimal, Option<BigDecimal>);
    let rows: Vec<Row> = fills::table
        .filter(fills::order_id.eq(order))
        .filter(fills::is_bust.eq(false))
        .filter(not(is_amended))
        .group_by(fills::venue)
        .select((
            fills::venue,
            count_star(),
            sum(fills::quantity_filled),
            sql::<Numeric>("sum(quantity_filled * price_at_fill) / sum(quantity_filled)"),
            sum(fills::commission),
        ))
        .order((sum(fills::quantity_filled).desc(), fills::venue))
        .limit(MAX_VENUES)
        .load(tx.connection())?;
    let totals = rows.into_iter().map(|(venue, fills, quantity, average_price, commission)| {
        let (quantity, commission) = (quantity.unwrap_or_default(), commission.unwrap_or_default());
        VenueTotals { venue, fills, quantity, average_price, commission }
    });
    Ok(totals.collect())
}
