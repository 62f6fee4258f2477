//! Reads orders by the numbers of their entries in the log.

use diesel::pg::Pg;
use diesel::prelude::*;
use tradeblotter::role::Reader;
use tradeblotter::schema::{execution_logs, orders, traders};
use tradeblotter::{Action, Error, Order, Tx};
use uuid::Uuid;

use crate::watch::page::{Direction, Slice};
use crate::watch::wanted::{OrderFilter, Owner, Sort};

/// Returns the orders of a slice that match the filter, with their numbers: that of SUBMITTED, or in the sequence of
/// changes that of the last entry. `among` restricts them to these orders.
pub fn read(
    tx: &mut Tx<'_, Reader>,
    filter: &OrderFilter,
    sort: Sort,
    slice: Slice,
    among: Option<&[Uuid]>,
) -> Result<Vec<(i64, Order)>, Error> {
    let mut query = execution_logs::table
        .inner_join(orders::table)
        .select((execution_logs::sequence, Order::as_select()))
        .into_boxed::<Pg>();
    query = match sort {
        Sort::Newest | Sort::Oldest => query.filter(execution_logs::action.eq(Action::Submitted)),
        // Every entry has another time, and the last one has that of the order.
        Sort::LastChange => query.filter(execution_logs::timestamp.eq(orders::updated_at)),
    };
    if let Some(ids) = among {
        query = query.filter(execution_logs::order_id.eq_any(ids));
    }
    if !filter.statuses.is_empty() {
        query = query.filter(orders::status.eq_any(filter.statuses));
    }
    if let Some(symbol) = &filter.symbol {
        query = query.filter(orders::symbol.eq(symbol));
    }
    match &filter.trader {
        None => {}
        Some(Owner::Id(id)) => query = query.filter(execution_logs::trader_id.eq(id)),
        Some(Owner::Name(name)) => {
            let named = traders::table.filter(traders::name.eq(name)).select(traders::id);
            query = query.filter(execution_logs::trader_id.eq_any(named));
        }
    }
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
    Ok(query.limit(limit(slice)).load(tx.connection())?)
}

/// Returns the LIMIT of a slice.
pub fn limit(slice: Slice) -> i64 {
    i64::try_from(slice.limit).unwrap_or(i64::MAX)
}
